"""The line before training names what will be looked at, and nothing else."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_cnnviz import CNNVisualizer
from tests.helpers.training import SmallCNN, fit


class Autoencoder(SmallCNN):
    def __init__(self) -> None:
        super().__init__()
        self.decoder = nn.ConvTranspose2d(6, 1, 2, stride=2)

    def forward(self, images: Tensor) -> Tensor:
        picture: Tensor = self.decoder(self.body(self.stem(images)))
        return picture

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return (self(batch[0]) - batch[0]).square().mean()

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self(batch[0])


class Frozen(SmallCNN):
    def forward(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            features = self.body(self.stem(images)).mean(dim=(2, 3))
        scores: Tensor = self.head(features)
        return scores


def brightness(output: Tensor) -> Tensor:
    return output.flatten(1).mean(dim=1)


@pytest.mark.parametrize(
    ("model", "target", "grad_cam"),
    [
        (Autoencoder, "predicted", False),
        (Autoencoder, brightness, True),
        (SmallCNN, "predicted", True),
        (Frozen, "predicted", False),
    ],
)
def test_grad_cam_is_named_where_there_is_a_score(
    model: type[SmallCNN], target: Any, grad_cam: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("lightning.pytorch").propagate = True
    torch.manual_seed(0)
    with caplog.at_level(logging.INFO, logger="lightning.pytorch"):
        fit(tmp_path, [CNNVisualizer(target=target)], model())
    (said,) = {record.message for record in caplog.records if "looks at" in record.message}
    assert "FeatureMaps of" in said
    assert ("GradCAM of" in said) == grad_cam
