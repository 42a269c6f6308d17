"""The networks whose trainings are looked at."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

CLASSES = 10


class Residual(nn.Module):
    """A block whose output is added to its input, with group normalisation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm1 = nn.GroupNorm(4, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = nn.GroupNorm(4, channels)

    def forward(self, features: Tensor) -> Tensor:
        """(N, K, h, w) of the same shape."""
        inside = F.relu(self.norm1(self.conv1(features)))
        return F.relu(features + self.norm2(self.conv2(inside)))


def stage(
    inputs: int, outputs: int, norm: Callable[[int], nn.Module], pool: bool, act: type[nn.Module]
) -> nn.Sequential:
    layers = [nn.Conv2d(inputs, outputs, 3, padding=1), norm(outputs), act()]
    return nn.Sequential(*layers, *([nn.MaxPool2d(2)] if pool else []))


def plain(*, norm: bool, gap: bool, act: type[nn.Module] = nn.ReLU, hidden: int = 0, side: int) -> nn.Sequential:
    """Three convolutions and a head: averaged maps, or flattened ones and perhaps a hidden layer."""
    make: Callable[[int], nn.Module] = nn.BatchNorm2d if norm else lambda channels: nn.Identity()
    body = [stage(1, 8, make, True, act), stage(8, 16, make, not gap, act), stage(16, 24, make, False, act)]
    wide = 24 if gap else 24 * (side // 4) ** 2
    head: list[nn.Module] = [nn.AdaptiveAvgPool2d(1)] if gap else []
    head.append(nn.Flatten())
    if hidden:
        head += [nn.Linear(wide, hidden), act()]
    return nn.Sequential(*body, *head, nn.Linear(hidden or wide, CLASSES))


def with_dropout(net: nn.Sequential) -> nn.Sequential:
    return nn.Sequential(*net[:-1], nn.Dropout(0.3), net[-1])


NETS: dict[str, Callable[[int], nn.Module]] = {
    "flatten": lambda side: plain(norm=False, gap=False, side=side),
    "flatten, batch norm": lambda side: plain(norm=True, gap=False, side=side),
    "gap": lambda side: plain(norm=False, gap=True, side=side),
    "gap, batch norm": lambda side: plain(norm=True, gap=True, side=side),
    "two linear layers": lambda side: plain(norm=False, gap=False, hidden=32, side=side),
    "tanh": lambda side: plain(norm=False, gap=False, act=nn.Tanh, hidden=32, side=side),
    "dropout, batch norm": lambda side: with_dropout(plain(norm=True, gap=False, side=side)),
    "residual, group norm": lambda side: nn.Sequential(
        stage(1, 16, lambda channels: nn.GroupNorm(4, channels), True, nn.ReLU),
        Residual(16),
        Residual(16),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, CLASSES),
    ),
}
