"""A second forward pass with one spot of one image changed: it tells which places and samples an output belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

_TOP, _BOTTOM, _LEFT, _RIGHT = 0.1, 0.3, 0.25, 0.5  # lies elsewhere after any flip, turn or transposition
_SEED = 0
_SIZE = 16  # maps are compared at this height and width
_BLUR = 3
_ALIKE = 0.5  # the share of two changes that must lie on each other
_UNCHANGED = 1e-4


def disturbed(images: Tensor) -> Tensor:
    """The images (N, C, H, W) with noise on a spot of the first one, off its centre."""
    height, width = images.shape[2:]
    rows = slice(int(_TOP * height), max(int(_TOP * height) + 1, int(_BOTTOM * height)))
    columns = slice(int(_LEFT * width), max(int(_LEFT * width) + 1, int(_RIGHT * width)))
    changed = images.detach().clone()
    spot = changed[:1, :, rows, columns]
    generator = torch.Generator().manual_seed(_SEED)
    noise = torch.randn(spot.shape, generator=generator, dtype=torch.float32).to(images)
    spread = images.float().std()
    spot += noise * (spread if bool(spread > 0) else torch.ones_like(spread)).to(images)
    return changed


def changed_rows(before: Tensor, after: Tensor) -> list[int] | None:
    """Which rows of an output changed, None if the outputs cannot be compared."""
    if before.shape != after.shape or before.ndim == 0 or not before.is_floating_point():
        return None
    change = (after.detach().float() - before.detach().float()).reshape(len(before), -1).abs().amax(dim=1)
    largest = before.detach().float().abs().max()
    if not bool(change.isfinite().all()):
        return None
    return (change > _UNCHANGED * largest).nonzero().flatten().tolist()


@dataclass(frozen=True, slots=True)
class Spot:
    """Where an output changed, as a map of unit mass.

    Attributes:
        mass: (16, 16), None where nothing changed.
    """

    mass: Tensor | None

    @classmethod
    def of(cls, before: Tensor, after: Tensor) -> Spot:
        """The change of maps (K, h, w)."""
        change = (after.detach().float() - before.detach().float()).square().sum(dim=0)
        resized = F.adaptive_avg_pool2d(change[None, None], _SIZE)
        resized = F.avg_pool2d(resized, _BLUR, stride=1, padding=_BLUR // 2)[0, 0]  # a ReLU hides single places
        total = resized.sum()
        return cls(resized / total if bool(total > 0) and bool(total.isfinite()) else None)

    def alike(self, other: Spot) -> bool:
        """Whether both lie at the same place."""
        if self.mass is None or other.mass is None:
            return self.mass is other.mass
        return float(torch.minimum(self.mass, other.mass).sum()) >= _ALIKE

    def hit(self) -> float:
        """How much of the change is where the image was changed, from 0 to 1."""
        if self.mass is None:
            return 0.0
        rows = slice(int(_TOP * _SIZE), int(_BOTTOM * _SIZE) + 1)
        return float(self.mass[rows, int(_LEFT * _SIZE) : int(_RIGHT * _SIZE) + 1].sum())


def all_alike(spots: Sequence[Spot]) -> bool:
    """Whether all changes lie at the same place."""
    return all(spots[0].alike(spot) for spot in spots[1:])
