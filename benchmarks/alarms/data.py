"""Digits, from the subset of MNIST beside the examples."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Batch = tuple[Tensor, Tensor]
SUBSET = Path(__file__).parents[2] / "examples" / "data" / "mnist_subset.npz"


@lru_cache
def digits(split: str, count: int, side: int) -> Batch:
    with np.load(SUBSET) as subset:
        images, labels = subset[f"{split}_images"][:count], subset[f"{split}_labels"][:count]
    tensor = torch.from_numpy(images).float()[:, None] / 255
    return (tensor if side == 28 else F.avg_pool2d(tensor, 2)), torch.from_numpy(labels).long()


def shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    moves = torch.randint(-1, 2, (2,), generator=generator).tolist()
    return images.roll(tuple(moves), (2, 3))
