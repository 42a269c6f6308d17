"""Small charts that fill a cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lightning_cnnviz.output.artifacts import RGB
from lightning_cnnviz.render.blocks import blank
from lightning_cnnviz.render.text import DARK, line_block, text_block, text_width

_NEUTRAL, _GREEN, _RED, _TRACK = (130, 150, 180), (60, 160, 75), (205, 60, 55), (238, 238, 238)


@dataclass(frozen=True, slots=True)
class Bar:
    """A horizontal bar.

    Attributes:
        name: written at its left; shortened in the middle if it is long.
        share: its length, from 0 to 1; drawn as 0 if it is not finite.
        label: written at its right.
        correct: green if True, red if False, else neutral.
    """

    name: str
    share: float
    label: str
    correct: bool | None = None


def bar_chart(bars: Sequence[Bar], *, width: int = 224, height: int = 224) -> RGB:
    """Horizontal bars below each other, (height, width, 3) uint8 RGB."""
    picture = blank(height, width)
    row = height // len(bars)
    size = max(10, min(row * 2 // 3, width // 13))
    names = max(text_width(bar.name, size) for bar in bars)
    left = int(min(names, width * 0.42)) + 8
    right = width - int(max(text_width(bar.label, size) for bar in bars)) - 10
    for index, bar in enumerate(bars):
        rows = slice(index * row + row // 6, (index + 1) * row - row // 6)
        color = {True: _GREEN, False: _RED, None: _NEUTRAL}[bar.correct]
        _paste(picture, line_block(bar.name, left - 8, size, DARK if bar.correct is None else color), rows, 0)
        picture[rows, left:right] = _TRACK
        share = bar.share if math.isfinite(bar.share) else 0
        picture[rows, left : left + round((right - left) * share)] = color
        _paste(picture, text_block(bar.label, size, DARK), rows, right + 8)
    return picture


def _paste(picture: RGB, block: RGB, within: slice, left: int) -> None:
    top = max(0, (within.start + within.stop - block.shape[0]) // 2)
    rows, columns = picture[top : top + block.shape[0], left : left + block.shape[1]].shape[:2]
    picture[top : top + rows, left : left + columns] = block[:rows, :columns]
