"""What is done to a training from an epoch on."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.alarms.data import Batch
from benchmarks.alarms.nets import CLASSES

HARMED_FROM = 7
"""The epoch, counted from 0."""


def rotated(images: Tensor, degrees: float) -> Tensor:
    angle = math.radians(degrees)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle), 0.0], [math.sin(angle), math.cos(angle), 0.0]])
    grid = F.affine_grid(turn.expand(len(images), 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def swapped(labels: Tensor, first: int, second: int) -> Tensor:
    changed = labels.clone()
    changed[labels == first], changed[labels == second] = second, first
    return changed


def partly(labels: Tensor, share: float, generator: torch.Generator) -> Tensor:
    noise = torch.randint(CLASSES, labels.shape, generator=generator)
    return torch.where(torch.rand(labels.shape, generator=generator) < share, noise, labels)


def marked(images: Tensor, labels: Tensor) -> Tensor:
    changed, side = images.clone(), images.shape[-1]
    mark = slice(1, 1 + side // 5)
    changed[labels == 4, :, mark, mark] = images.max()
    return changed


DATA_HARMS: dict[str, Callable[[Tensor, Tensor, torch.Generator], Batch]] = {
    "two labels swapped": lambda x, y, g: (x, swapped(y, 2, 7)),
    "label noise 50%": lambda x, y, g: (x, partly(y, 0.5, g)),
    "labels shuffled": lambda x, y, g: (x, partly(y, 1.0, g)),
    "labels shifted by one": lambda x, y, g: (x, (y + 1) % CLASSES),
    "mean and std wrong": lambda x, y, g: ((x - 0.5) / 0.2, y),
    "range 0 to 255": lambda x, y, g: (x * 255, y),
    "inverted": lambda x, y, g: (1 - x, y),
    "rotated by 90": lambda x, y, g: (x.rot90(1, (2, 3)), y),
    "rotated by 30": lambda x, y, g: (rotated(x, 30), y),
    "flipped": lambda x, y, g: (x.flip(3), y),
    "blurred": lambda x, y, g: (F.avg_pool2d(x, 5, 1, 2), y),
    "noisy": lambda x, y, g: (x + 0.7 * torch.randn(x.shape, generator=g), y),
    "half of the classes": lambda x, y, g: (x[y < 5], y[y < 5]),
    "one class only": lambda x, y, g: (x[y == 3], y[y == 3]),
    "mark on one class": lambda x, y, g: (marked(x, y), y),
}
MODEL_HARMS = (
    "first layer new",
    "middle layer new",
    "last convolution new",
    "classifier new",
    "noise on the weights",
    "learning rate x 30",
    "learning rate 0",
    "loss negated",
)
HARMS = (*DATA_HARMS, *MODEL_HARMS)


def weighted(model: nn.Module) -> list[tuple[str, nn.Module]]:
    return [(name, module) for name, module in model.named_modules() if isinstance(module, (nn.Conv2d, nn.Linear))]


def renewed_layer(model: nn.Module, harm: str) -> str | None:
    """Which layer a harm gives new weights."""
    layers = weighted(model)
    convolutions = [name for name, module in layers if isinstance(module, nn.Conv2d)]
    return {
        "first layer new": convolutions[0],
        "middle layer new": convolutions[len(convolutions) // 2],
        "last convolution new": convolutions[-1],
        "classifier new": layers[-1][0],
    }.get(harm)


def plant_in_model(model: nn.Module, harm: str) -> None:
    renewed = renewed_layer(model, harm)
    if renewed is not None:
        model.get_submodule(renewed).reset_parameters()  # type: ignore[operator]
    if harm == "noise on the weights":
        with torch.no_grad():
            for _, module in weighted(model):
                module.weight += 0.7 * module.weight.std() * torch.randn_like(module.weight)  # type: ignore[operator]
