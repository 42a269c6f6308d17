"""Layers that are replaced, pruned or renamed in the middle of a training are looked at as they are from then on."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from lightning_cnnviz import (
    CNNVisualizer,
    ConfusionMatrix,
    Evidence,
    FeatureMaps,
    Filters,
    Predictions,
    WorstMistakes,
)
from lightning_cnnviz.output.artifacts import Artifact
from tests.helpers.training import SmallCNN, fit, image_steps


class Surgery(Callback):
    """Changes the model after the first epoch."""

    def __init__(self, act: Callable[[SmallCNN], None]) -> None:
        self.act = act

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch == 0:
            self.act(pl_module)  # type: ignore[arg-type]
            trainer.strategy.setup_optimizers(trainer)


class Sees(Predictions):
    """Remembers what it is told of the model."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[list[str], int, int]] = []

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        layers = evidence.layout.maps("all")
        self.told.append((list(layers), evidence.layout[layers[-1]].channels, evidence.layout.classes))
        return super().draw(evidence)


LAYERS = ["stem.0", "stem.1", "stem.2", "body.0", "body.1", "body.2"]


class Renamed(SmallCNN):
    def forward(self, images: Tensor) -> Tensor:
        body = self.trunk if hasattr(self, "trunk") else self.body
        scores: Tensor = self.head(self.dropout(body(self.stem(images)).mean(dim=(2, 3))))
        return scores


def prune(model: SmallCNN) -> None:
    """Four of six channels of the second convolution stay, in the same modules."""
    convolution, normalization = model.body[0], model.body[1]
    for module in (convolution, normalization):
        module.weight, module.bias = nn.Parameter(module.weight[:4].clone()), nn.Parameter(module.bias[:4].clone())
    normalization.running_mean, normalization.running_var = (
        buffer[:4].clone() for buffer in (normalization.running_mean, normalization.running_var)
    )
    convolution.out_channels = normalization.num_features = 4
    model.head.weight = nn.Parameter(model.head.weight[:, :4].clone())


def rename(model: SmallCNN) -> None:
    model.trunk = model.body
    del model.body


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        pytest.param(
            lambda model: setattr(model, "head", nn.Linear(6, 7)),
            (LAYERS, 6, 7),
            id="more classes",
            marks=pytest.mark.slow,
        ),
        pytest.param(prune, (LAYERS, 4, 3), id="fewer channels"),
        pytest.param(
            rename, ([name.replace("body", "trunk") for name in LAYERS], 6, 3), id="other names", marks=pytest.mark.slow
        ),
    ],
)
def test_what_became_of_the_layers_is_seen_and_no_view_lost(
    act: Callable[[SmallCNN], None], expected: tuple[list[str], int, int], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    sees = Sees()
    callback = CNNVisualizer([sees, ConfusionMatrix(), WorstMistakes(), Filters(), FeatureMaps("last")])
    with warnings.catch_warnings():
        warnings.filterwarnings("error", category=UserWarning, module=r"lightning_cnnviz\.")
        fit(tmp_path, [callback, Surgery(act)], Renamed(), max_epochs=3)
    assert sees.told == [(LAYERS, 6, 3)] * 2 + [expected] * 2
    steps = image_steps(tmp_path)
    for tag in ("predictions", "confusion_matrix", "filters/stem.0"):
        assert steps[tag] == [0, 5, 11, 17], tag
