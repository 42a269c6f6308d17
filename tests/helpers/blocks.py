"""A model of two blocks, the ways of writing which differ between tests, and what views find in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lightning_cnnviz import FeatureMaps, GradCAM, Saliency, explain
from lightning_cnnviz.views import View
from tests.helpers.fingerprint import fingerprint
from tests.helpers.training import CLASSES

IMAGES = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))

VARIANTS = ("gradcam", "gradcam++", "hirescam", "xgradcam", "layercam")


def arrays(model: nn.Module, views: list[View], images: Tensor = IMAGES) -> dict[str, Tensor]:
    """What the views found; the model must be as before."""
    before = fingerprint(model)
    found = explain(model, images, views).arrays
    assert before.differences(fingerprint(model)) == []
    return found


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for tag, values in expected.items():
        torch.testing.assert_close(found[tag], values, msg=lambda text, tag=tag: f"{tag}: {text}")
        assert values.abs().max() > 0, f"{tag} is blank and proves nothing"


class Blocks(nn.Module):
    """Convolution, normalisation and activation, twice; the ways to write it differ between tests."""

    def __init__(self, activation: Callable[[], nn.Module] = nn.ReLU) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.early = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), activation())
        self.late = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), activation())
        self.head = nn.Linear(4, CLASSES)

    def forward(self, images: Tensor) -> Any:
        return self.classify(self.late(self.early(images)))

    def classify(self, maps: Tensor) -> Tensor:
        scores: Tensor = self.head(maps.mean(dim=(2, 3)))
        return scores


EVERYTHING: list[View] = [
    FeatureMaps(["early.*", "late.*"], channels=4),
    Saliency(),
    *(GradCAM(["early.*", "late.*"], variant) for variant in VARIANTS),
]
