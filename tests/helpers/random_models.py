"""Small modules of all kinds that people train, put together at random from a seed, with their batches and losses."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader

SIZE, COUNT = 8, 6


def encoder(draw: random.Random, channels: int, width: int) -> nn.Module:
    """Maps of a quarter of the size, in one of several ways."""
    twice = nn.Conv2d(width, width, 3, padding=1)
    return draw.choice(
        [
            lambda: nn.Sequential(nn.Conv2d(channels, width, 3, 2, 1), nn.ReLU()),
            lambda: nn.Sequential(nn.Conv2d(channels, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)),
            lambda: nn.Sequential(nn.Conv2d(channels, width, 3, 2, 1), twice, nn.GELU(), twice),
            lambda: nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(channels, width, 1, groups=1), nn.GroupNorm(1, width)),
            lambda: torch.jit.script(nn.Sequential(nn.Conv2d(channels, width, 3, 2, 1), nn.ReLU())),
            lambda: nn.Sequential(nn.Conv2d(channels, width, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2)),
        ]
    )()


@dataclass
class Scores:
    logits: Tensor
    loss: Tensor | None = None


class AnyModel(LightningModule):
    """A model of one kind; its loss is the sum of squares of all floats that it returns, which trains anything."""

    def __init__(self, kind: str, draw: random.Random, channels: int) -> None:
        super().__init__()
        self.kind = kind
        self.features, self.head = encoder(draw, channels, 4), nn.Linear(4, 3)
        self.up = nn.ConvTranspose2d(4, channels, 2, 2)
        self.flat = nn.Linear(channels * SIZE * SIZE, 3)

    def forward(self, *inputs: Any) -> Any:
        return KINDS[self.kind](self, *inputs)

    def step(self, batch: Any) -> Tensor:
        given = CALLS.get(self.kind, lambda batch: (batch[0],))(batch)
        return sum((part.float().pow(2).mean() for part in floats(self(*given))), torch.zeros(()))

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self.step(batch) + 0.001 * self.head.weight.sum()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", self.step(batch), batch_size=2)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.01)


def floats(value: Any) -> list[Tensor]:
    """All floating tensors in what a model returns."""
    if isinstance(value, Tensor):
        return [value.abs() if value.is_complex() else value] if value.is_floating_point() or value.is_complex() else []
    if isinstance(value, Scores):
        return [value.logits]
    values = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [part for entry in values for part in floats(entry)]


def pooled(model: Any, images: Tensor) -> Tensor:
    found: Tensor = model.features(images).mean((2, 3))
    return found


def folded(model: Any, images: Tensor) -> Tensor:
    views = torch.stack([images, images.flip(-1)], 1).flatten(0, 1)
    found: Tensor = model.head(pooled(model, views)).unflatten(0, (-1, 2)).mean(1)
    return found


def variational(model: Any, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    maps = model.features(images)
    return model.up(maps + torch.randn_like(maps)), maps.mean((2, 3)), maps.var((2, 3))


def without_gradient(model: Any, images: Tensor) -> Tensor:
    with torch.no_grad():
        found = pooled(model, images)
    return model.head(found)  # type: ignore[no-any-return]


KINDS: dict[str, Callable[..., Any]] = {
    "logits": lambda m, x: m.head(pooled(m, x)),
    "probabilities": lambda m, x: m.head(pooled(m, x)).softmax(1),
    "multilabel": lambda m, x: m.head(pooled(m, x)).sigmoid(),
    "one logit": lambda m, x: m.head(pooled(m, x))[:, 0],
    "regression": lambda m, x: m.head(pooled(m, x))[:, :1],
    "tuple": lambda m, x: (pooled(m, x), m.head(pooled(m, x))),
    "dict": lambda m, x: {"heads": {"cls": m.head(pooled(m, x))}, "features": m.features(x)},
    "dataclass": lambda m, x: Scores(m.head(pooled(m, x))),
    "two heads": lambda m, x: (m.head(pooled(m, x)), m.up(m.features(x))),
    "called twice": lambda m, x: m.head(pooled(m, x)) + m.head(pooled(m, x.flip(-1))),
    "folded": folded,
    "autoencoder": lambda m, x: m.up(m.features(x)),
    "variational": variational,
    "embedding": pooled,
    "detector": lambda m, x: [{"boxes": torch.zeros(1, 4), "scores": row} for row in m.head(pooled(m, x))],
    "masked": lambda m, x, mask: m.head(pooled(m, x * mask)),
    "whole batch": lambda m, batch: m.head(pooled(m, batch[0])),
    "segmentation": lambda m, x: F.interpolate(m.features(x), scale_factor=2),
    "tokens": lambda m, x: m.features(x).flatten(2).transpose(1, 2),
    "integers": lambda m, x: (m.head(pooled(m, x)).argmax(1), m.head(pooled(m, x))),
    "complex": lambda m, x: torch.fft.fft(m.head(pooled(m, x))),
    "constant": lambda m, x: m.head.weight.sum() * torch.ones(len(x), 3),
    "one for all": lambda m, x: m.head(pooled(m, x)).mean(0, keepdim=True),
    "a number": lambda m, x: m.head(pooled(m, x)).sum(),
    "nothing": lambda m, x: None,
    "no convolution": lambda m, x: m.flat(x.flatten(1)),
    "generator": lambda m, z: m.up(z[:, :1].expand(-1, 4, -1, -1)),
    "no gradient": without_gradient,
    "two views": lambda m, views: (pooled(m, views[0]), pooled(m, views[1])),
    "sequence": lambda m, x: nn.functional.conv1d(x.flatten(2), torch.ones(3, x.shape[1], 3)),
    "volume": lambda m, x: nn.functional.conv3d(x[:, None], torch.ones(3, 1, 1, 3, 3)).mean((2, 3, 4)),
    "not finite": lambda m, x: m.head(pooled(m, x)) * torch.tensor([1.0, float("inf"), float("nan")]),
}

CALLS: dict[str, Callable[[Any], tuple[Any, ...]]] = {
    "masked": lambda batch: (batch[0], torch.ones_like(batch[0])),
    "whole batch": lambda batch: (batch,),
    "two views": lambda batch: ((batch[0], batch[0].flip(-1)),),
}


def made(seed: int) -> tuple[AnyModel, Callable[[], DataLoader[Any]], str]:
    """The model of a seed, how its loaders are made, and its description."""
    draw = random.Random(seed)
    kind, channels = list(KINDS)[seed % len(KINDS)], draw.choice([1, 3, 3, 5])
    batch_size = draw.choice([1, 2, 3])
    labels = draw.choice(["classes", "too many", "none", "dict", "one-hot", "floats", "mask", "index first"])
    torch.manual_seed(seed)
    images = torch.rand(COUNT, channels, SIZE, SIZE)
    label: Any = {
        "one-hot": torch.eye(3)[torch.arange(COUNT) % 3],
        "floats": torch.rand(COUNT),
        "mask": torch.randint(0, 3, (COUNT, SIZE, SIZE)),
        "too many": torch.arange(COUNT),
    }.get(labels, torch.arange(COUNT) % 3)
    items: list[Any] = [(image, label[i]) for i, image in enumerate(images)]
    if labels == "none":
        items = [(image,) for image in images]
    if labels == "dict":
        items = [(image, {"label": i % 3, "path": "a"}) for i, image in enumerate(images)]
    if labels == "index first":
        items = [(image, i * 9, i % 3) for i, image in enumerate(images)]
    model = AnyModel(kind, draw, channels)
    return (
        model,
        lambda: DataLoader(items, batch_size),
        f"{kind}, {channels} channels, {batch_size} in a batch, {labels}",
    )  # type: ignore[arg-type]
