"""Samples that are told apart by their values."""

from __future__ import annotations

import torch
from torch import Tensor

from lightning_cnnviz.samples import FixedSamples


def constant_images(*values: float, channels: int = 1) -> Tensor:
    return torch.stack([torch.full((channels, 2, 2), float(value)) for value in values])


def indices_of(samples: FixedSamples) -> list[float]:
    return samples.images[:, 0, 0, 0].tolist()
