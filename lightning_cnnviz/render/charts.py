"""Small charts that fill a cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lightning_cnnviz.output.artifacts import RGB
from lightning_cnnviz.render.blocks import blank, painted, stacked
from lightning_cnnviz.render.text import DARK, RIGHT, WRONG, Color, line_block, text_block, text_width, wrapped

_COLORS = {True: (30, 120, 190), False: (230, 110, 20), None: (150, 150, 150)}
_INKS = {True: RIGHT, False: WRONG, None: DARK}
_TRACK = (238, 238, 238)


@dataclass(frozen=True, slots=True)
class Bar:
    """A horizontal bar.

    Attributes:
        name: written at its left; on two lines, then shortened in the middle, if it is long.
        share: its length, from 0 to 1; drawn as 0 if it is not finite.
        label: written at its right.
        correct: blue with a tick if True, orange with a cross if False, else grey.
    """

    name: str
    share: float
    label: str
    correct: bool | None = None


def bar_chart(bars: Sequence[Bar], *, width: int = 224, height: int = 224, size: int | None = None) -> RGB:
    """Horizontal bars below each other, (height, width, 3) uint8 RGB.

    Args:
        bars: from top to bottom.
        width: of the picture.
        height: of the picture.
        size: of the type in pixels; None for what fits.
    """
    picture = blank(height, width)
    row = height // len(bars)
    size = size or max(10, min(row * 2 // 3, width // 13))
    names = max(text_width(_marked(bar), size) for bar in bars)
    left = int(min(names, width * 0.42)) + 8
    right = width - int(max(text_width(bar.label, size) for bar in bars)) - 10
    for index, bar in enumerate(bars):
        rows = slice(index * row + row // 6, (index + 1) * row - row // 6)
        ink, color = _INKS[bar.correct], _COLORS[bar.correct]
        _paste(picture, _name_block(_marked(bar), left - 8, row, size, ink), rows, 0)
        picture[rows, left:right] = _TRACK
        share = bar.share if math.isfinite(bar.share) else 0
        picture[rows, left : left + round((right - left) * share)] = color
        _paste(picture, text_block(bar.label, size, ink), rows, right + 8)
    return picture


def _marked(bar: Bar) -> str:
    # The left-to-right mark keeps the sign on the left of names that are written from right to left.
    return bar.name if bar.correct is None else f"\u200e{'✓' if bar.correct else '✗'} {bar.name}"


def _name_block(name: str, width: int, height: int, size: int, color: Color) -> RGB:
    """A name on one line, or on two smaller ones where it would have to be cut."""
    small = max(1, min(size, height // 2 * 6 // 7))
    lines = wrapped(name, width, small)
    if text_width(name, size) <= width or len(lines) != 2 or small < size // 2:
        return line_block(name, width, size, color)
    return painted(stacked([line_block(line, width, small, color) for line in lines]))


def _paste(picture: RGB, block: RGB, within: slice, left: int) -> None:
    top = max(0, (within.start + within.stop - block.shape[0]) // 2)
    rows, columns = picture[top : top + block.shape[0], left : left + block.shape[1]].shape[:2]
    picture[top : top + rows, left : left + columns] = block[:rows, :columns]
