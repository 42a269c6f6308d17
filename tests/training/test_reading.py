"""``output=`` and ``forward=`` of the callbacks: how the model is called in training, and what its scores are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from lightning_cnnviz import CNNVisualizer, FixedSamples, GradCAM, Predictions, explain
from lightning_cnnviz.model.evidence import Evidence
from tests.helpers.training import SmallCNN, image_steps, loader, sha, stripes, trainer


class OfBatches(LightningModule):
    """Its forward takes a whole batch; two parts of it have convolutions."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net, self.other = SmallCNN(), nn.Conv2d(1, 1, 1)

    def forward(self, batch: list[Tensor], scale: float) -> Tensor:
        scores: Tensor = self.net(batch[0]) * scale + self.other(batch[0]).mean()
        return scores

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return F.cross_entropy(self(batch, 1.0), batch[1])

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.log("val_loss", self.training_step(batch, batch_idx))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Remembers(Predictions):
    """Keeps the probabilities that it drew last."""

    probabilities = torch.empty(0)

    def draw(self, evidence: Evidence) -> Any:
        self.probabilities = evidence.probabilities
        return super().draw(evidence)


def samples() -> FixedSamples:
    images, labels = stripes(6).tensors
    return FixedSamples(images, labels)


def train(directory: Path, model: LightningModule, *callbacks: CNNVisualizer) -> LightningModule:
    trainer(directory, list(callbacks), max_epochs=1).fit(model, loader(), loader())
    return model


def test_a_module_named_by_forward_is_called(tmp_path: Path) -> None:
    view = Remembers()
    model = train(tmp_path, OfBatches(), CNNVisualizer([view, GradCAM()], samples(), forward="net"))
    assert set(image_steps(tmp_path)) == {"predictions", "grad_cam/net.body"}
    with torch.no_grad():
        expected = model.net.eval()(samples().images).softmax(dim=1)
    torch.testing.assert_close(view.probabilities, expected)


@pytest.mark.parametrize("takes_model", [True, False])
def test_a_function_given_as_forward_is_called(takes_model: bool, tmp_path: Path) -> None:
    model, view = OfBatches(), Remembers()
    forward = (lambda model, images: model([images], 2.0)) if takes_model else (lambda images: model([images], 2.0))
    train(tmp_path, model, CNNVisualizer([view], samples(), forward=forward))
    with torch.no_grad():
        expected = model.eval()([samples().images], 2.0).softmax(dim=1)
    torch.testing.assert_close(view.probabilities, expected)


def test_two_callbacks_read_one_model_in_two_ways(tmp_path: Path) -> None:
    classes, labels = Remembers(), Remembers()
    model = train(
        tmp_path,
        SmallCNN(),
        CNNVisualizer([classes], samples()),
        CNNVisualizer([labels], samples(), output="multilabel", tag_prefix="labels/"),
    )
    with torch.no_grad():
        scores = model.eval()(samples().images)
    torch.testing.assert_close(classes.probabilities, scores.softmax(dim=1))
    torch.testing.assert_close(labels.probabilities, scores.sigmoid())


def test_training_is_the_same(tmp_path: Path) -> None:
    alone = train(tmp_path / "alone", OfBatches())
    watched = train(
        tmp_path / "watched", OfBatches(), CNNVisualizer(samples=samples(), forward="net", output="multilabel")
    )
    assert sha(alone) == sha(watched)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": "softmax"}, "output='softmax': allowed are .*'multilabel'"),
        ({"forward": 3}, "forward must be the name of a module.*got 3"),
    ],
)
def test_what_cannot_be_is_refused_where_it_is_given(options: dict[str, Any], message: str) -> None:
    with pytest.raises(MisconfigurationException, match=message):
        CNNVisualizer(**options)
    with pytest.raises((ValueError, TypeError), match=message):
        explain(SmallCNN(), samples(), **options)


def test_a_module_that_does_not_exist_ends_the_run_before_its_first_step(tmp_path: Path) -> None:
    model = OfBatches()
    before = sha(model)
    with pytest.raises(MisconfigurationException, match=r"forward='nett': the model has no such module; nearest: net"):
        train(tmp_path, model, CNNVisualizer(samples=samples(), forward="nett"))
    assert sha(model) == before
