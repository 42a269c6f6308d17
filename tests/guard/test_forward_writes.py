"""Training has the same bits whatever its forward writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.ao import quantization

from lightning_cnnviz import CNNVisualizer
from tests.helpers.training import SmallCNN, fit, sha


class Writes(SmallCNN):
    """Calls one of the writes in each forward, and lets what was written change its output."""

    def __init__(self, write: str) -> None:
        super().__init__()
        self.write = write
        self.generator = np.random.default_rng(0)
        self.observer = quantization.FusedMovingAvgObsFakeQuantize()
        self.table: defaultdict[str, list[Tensor]] = defaultdict(list)
        self.averages = [torch.zeros(())]
        self.__dict__["norm"] = nn.BatchNorm2d(1, momentum=0.5)

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images * FORWARDS[self.write](self, images))


def average(model: Writes, images: Tensor) -> Tensor:
    model.averages[0] = 0.9 * model.averages[0] + images.std()
    return 1 + model.averages[0]


def cached(model: Writes, images: Tensor) -> Tensor:
    model.table["seen"].append(images.mean())
    return 1 + torch.stack(model.table["seen"]).mean()


def momentum(model: Writes, images: Tensor) -> float:
    model.head.bias.data = 0.99 * model.head.bias.data + 0.01
    return 1.0


FORWARDS: dict[str, Callable[[Writes, Tensor], Any]] = {
    "generator": lambda model, images: 1 + 0.1 * model.generator.random(),
    "observer": lambda model, images: 1 + 0.1 * model.observer(images).mean(),
    "shadow": average,
    "cache": cached,
    "parameter": momentum,
    "hidden module": lambda model, images: 1 + 0.1 * vars(model)["norm"](images).mean(),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("write", FORWARDS)
def test_training_has_the_same_bits_whatever_its_forward_writes(write: str, tmp_path: Path) -> None:
    trained = []
    for callbacks in ([], [CNNVisualizer(samples=4)]):
        torch.manual_seed(3)
        trained.append(fit(tmp_path / str(len(callbacks)), callbacks, Writes(write)))
    assert sha(trained[0]) == sha(trained[1])
