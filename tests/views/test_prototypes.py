from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lightning_cnnviz import FixedSamples, Prototypes, explain
from lightning_cnnviz.model.evidence import Evidence
from lightning_cnnviz.output.artifacts import Artifact, Picture
from lightning_cnnviz.render import Sheet
from tests.helpers.training import CLASSES, SmallCNN, sha, stripes


def samples() -> FixedSamples:
    images, labels = stripes(12).tensors
    return FixedSamples(images, labels)


def test_values_are_the_cost_and_its_parts() -> None:
    model, given = SmallCNN().eval(), samples()
    found = explain(model, given, [Prototypes(regularization=0.2)])
    images = found.arrays["prototypes"]
    means = torch.stack([given.images[given.labels == index].mean(dim=0) for index in range(CLASSES)])
    cross_entropy = F.cross_entropy(model(images), torch.arange(CLASSES)).item()
    distance = (images - means).square().mean().item()
    assert found.scalars["prototypes/cross_entropy"] == pytest.approx(cross_entropy, rel=1e-4)
    assert found.scalars["prototypes/regularizer"] == pytest.approx(distance, rel=1e-4)
    assert found.scalars["prototypes/cost"] == pytest.approx(cross_entropy + 0.2 * distance, rel=1e-4)
    assert found.scalars["prototypes/cost"] < F.cross_entropy(model(means), torch.arange(CLASSES)).item()


def test_the_means_of_the_training_batches_come_first() -> None:
    view = Prototypes([2, 0], regularization=1e6)  # so strong a pull that the prototypes are the means
    view.observe(torch.full((2, 1, 8, 8), 3.0), torch.tensor([2, 2]))
    view.observe(torch.full((1, 1, 8, 8), 6.0), torch.tensor([2]))
    view.finish_observing()
    given = samples()
    images = explain(SmallCNN(), given, [view]).arrays["prototypes"]
    assert torch.allclose(images[0], torch.full((1, 8, 8), 4.0), atol=1e-3)
    of_samples = given.images[given.labels == 0].mean(dim=0)  # no batch had this class
    assert torch.allclose(images[1], of_samples, atol=1e-3)


def test_goes_on_from_the_last_prototypes_also_after_a_restart() -> None:
    model, given, view = SmallCNN(), samples(), Prototypes(steps=2)
    first = explain(model, given, [view]).scalars["prototypes/cost"]
    restarted = Prototypes(steps=2)
    restarted.load_state_dict(view.state_dict())
    second = explain(model, given, [view])
    assert second.scalars["prototypes/cost"] < first
    assert torch.equal(second.arrays["prototypes"], explain(model, given, [restarted]).arrays["prototypes"])


def test_the_model_is_left_as_it_was() -> None:
    model = SmallCNN()
    before = sha(model)
    explain(model, samples(), [Prototypes()])
    assert sha(model) == before
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_models_of_any_precision(dtype: torch.dtype) -> None:
    found = explain(SmallCNN().to(dtype), samples(), [Prototypes(steps=3)])
    assert found.arrays["prototypes"].dtype == torch.float32
    assert found.arrays["prototypes"].isfinite().all()


def test_of_many_classes_the_first_twenty() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 30))
    assert explain(model, torch.randn(2, 1, 8, 8), [Prototypes(steps=1)]).arrays["prototypes"].shape == (20, 1, 8, 8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"regularization": -0.1}, "regularization must be at least 0, got -0.1"),
        ({"optimizer": "sgd"}, "optimizer='sgd': allowed are 'lbfgs', 'adam'"),
        ({"steps": 0}, "steps must be a positive integer, got 0"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Prototypes(**arguments)


def test_classes_out_of_range() -> None:
    with pytest.raises(ValueError, match=r"classes=\[3\] are out of range: the model has classes 0 to 2"):
        explain(SmallCNN(), samples(), [Prototypes([0, 3])])


def test_prototypes_that_cannot_leave_the_class_mean_are_said_to_be_it() -> None:
    class Rounds(SmallCNN):
        """Rounding has a gradient, of zero."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward((images * 4).round() / 4)

    given = samples()
    found = explain(Rounds(), given, [Prototypes([2, 0])])
    means = torch.stack([given.images[given.labels == index].mean(dim=0) for index in (2, 0)])
    assert torch.equal(found.arrays["prototypes"], means)
    [remark] = [remark for remark in found.remarks if "class means" in remark]
    assert remark.startswith("About prototypes: 2 of 2 are the class means as they were")
    assert not any("class means" in remark for remark in explain(SmallCNN(), given, [Prototypes()]).remarks)


def test_a_model_that_answers_nan_is_named() -> None:
    model = SmallCNN()
    with torch.no_grad():
        next(model.parameters()).fill_(torch.nan)
    [remark] = [remark for remark in explain(model, samples(), [Prototypes()]).remarks if "NaN" in remark]
    assert remark.startswith("About prototypes: the model answers NaN")


def test_classes_without_an_image_are_explained() -> None:
    view, given = Keeping(), samples()
    explain(SmallCNN(), given, [view])
    explain(SmallCNN(), FixedSamples(given.images[:1], given.labels[:1]), [view])
    assert ["no image of the class was seen" in sheet.footer for sheet in view._sheets] == [False, True]


class Keeping(Prototypes):
    def __init__(self) -> None:
        super().__init__()
        self._sheets: list[Sheet] = []

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        for artifact in super().draw(evidence):
            if isinstance(artifact, Picture) and isinstance(artifact.figure, Sheet):
                self._sheets.append(artifact.figure)
            yield artifact
