"""Further forward passes with an edge of one image changed: they tell where an output comes from.

Which samples it belongs to shows in the rows that change, how its maps lie on the image in their places: no turn or
mirroring leaves both the left and the upper edge where they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_cnnviz.model.layers.turns import TURNS, UPRIGHT, Turn

Edge: TypeAlias = Literal["left", "top"]

EDGES: tuple[Edge, ...] = ("left", "top")
EDGE = 0.25  # the width of one, as a share of the image
_SEED = 0
_SIZE = 16  # maps are compared at this height and width
_BLUR = 3
_ALIKE = 0.55  # the share of two changes that must lie on each other; more where they lie at the edges clearly
_SLACK = 0.15
_TURNED, _CLEARLY = 0.15, 0.4  # how much more of a change must lie at its edge once it is turned
_SEEN = 1e-4  # of the largest square of a change
_OF_LARGEST, _OF_NUMBERS = 1e-4, 1e-6  # a change beside the largest one, and beside the numbers, that is none


def disturbed(images: Tensor, edge: Edge) -> Tensor:
    """The images (N, C, H, W) with noise on an edge of the first one."""
    width = max(1, int(EDGE * images.shape[3 if edge == "left" else 2]))
    changed = images.detach().clone()
    part = changed[:1, :, :, :width] if edge == "left" else changed[:1, :, :width]
    generator = torch.Generator().manual_seed(_SEED)
    noise = torch.randn(part.shape, generator=generator, dtype=torch.float32).to(images)
    spread = images.float().std()
    part += noise * (spread if bool(spread > 0) else torch.ones_like(spread)).to(images)
    return changed


def changed_rows(before: Tensor, after: Tensor) -> list[int] | None:
    """Which rows of an output changed, None if the outputs cannot be compared."""
    if before.shape != after.shape or before.ndim == 0 or not before.is_floating_point() or not before.numel():
        return None
    change = (after.detach().float() - before.detach().float()).reshape(len(before), -1).abs().amax(dim=1)
    if not bool(change.isfinite().all()):
        return None
    rounding = _OF_NUMBERS * before.detach().float().abs().max()
    return (change > torch.maximum(_OF_LARGEST * change.max(), rounding)).nonzero().flatten().tolist()


def strays(images: Tensor, before: Tensor | None, after: Sequence[Tensor | None]) -> bool:
    """Whether the left edge of the first image may lie elsewhere, or upside down, in what becomes of the images.

    Args:
        images: (N, C, H, W).
        before: (N, K, h, w) what becomes of them.
        after: the same with each edge changed, as far as there are any.
    """
    changed = after[0] if after else None
    if before is None or changed is None or before.ndim != 4 or changed.shape != before.shape:
        return False
    made, found = _change(images, disturbed(images, "left")), _change(before, changed)
    likeness = {turn: float((turn.undone(found) * made).sum()) for turn in TURNS}
    return any(one > likeness[UPRIGHT] for one in likeness.values())


def _change(before: Tensor, after: Tensor) -> Tensor:
    """Where the first of images (N, C, H, W) changed, (16, 16)."""
    change = (after[0] - before[0]).detach().float().square().sum(0)
    return F.adaptive_avg_pool2d(change[None], _SIZE)[0]


@dataclass(frozen=True, slots=True)
class Trace:
    """Where maps changed with each edge of the image.

    Attributes:
        masses: (2, 16, 16), of unit mass for each edge.
    """

    masses: Tensor

    @classmethod
    def of(cls, before: Tensor, after: Sequence[Tensor], *, blurred: bool = True) -> Trace | None:
        """The changes of maps (K, h, w); None where one of the edges changes nothing, or cannot be told.

        Args:
            before: the maps.
            after: the same, of the same shape, with each edge of the image changed.
            blurred: whether they are maps of a layer, that changes more where more changes, and not images.
        """
        if len(after) < len(EDGES):
            return None
        change = torch.stack([(maps.detach().float() - before.detach().float()).square().sum(0) for maps in after])
        if not blurred:
            change = (change > _SEEN * change.amax(dim=(1, 2), keepdim=True)).float()
        resized = F.adaptive_avg_pool2d(change[:, None], _SIZE)
        masses = F.avg_pool2d(resized, _BLUR, stride=1, padding=_BLUR // 2)[:, 0]  # a ReLU hides single places
        totals = masses.sum(dim=(1, 2), keepdim=True)
        return cls(masses / totals) if bool((totals > 0).all()) and bool(totals.isfinite().all()) else None

    def turn(self, *, clearly: bool = False) -> Turn:
        """What brings the changes to the edges of the image.

        Args:
            clearly: whether there is no other map beside it, so that little speaks for a turn.
        """
        hits = {turn: self.turned(turn).hit() for turn in TURNS}
        best = max(hits, key=lambda turn: hits[turn])
        return best if hits[best] > hits[UPRIGHT] + (_CLEARLY if clearly else _TURNED) else UPRIGHT

    def turned(self, turn: Turn) -> Trace:
        """The trace of the maps that are turned back."""
        return Trace(turn.undone(self.masses))

    def hit(self) -> float:
        """How much of the changes is at the edges, from 0 to 1."""
        return float(self._hits().mean())

    def alike(self, other: Trace) -> bool:
        """Whether both lie at the same place."""
        common = torch.minimum(self.masses, other.masses).sum(dim=(1, 2))
        needed = (torch.minimum(self._hits(), other._hits()) - _SLACK).clamp_min(_ALIKE)
        return bool((common >= needed).all())

    def _hits(self) -> Tensor:
        width = int(EDGE * _SIZE) + 1
        return torch.stack([self.masses[0, :, :width].sum(), self.masses[1, :width].sum()])
