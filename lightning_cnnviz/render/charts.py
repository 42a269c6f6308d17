"""Small charts that fill a cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from lightning_cnnviz.output.artifacts import RGB
from lightning_cnnviz.render.blocks import blank, painted, stacked
from lightning_cnnviz.render.telling import lines_told_apart
from lightning_cnnviz.render.text import DARK, ELLIPSIS, RIGHT, SIGNS, WRONG, line_height, text_block, text_width

_COLORS = {True: (30, 120, 190), False: (230, 110, 20), None: (150, 150, 150)}
_INKS = {True: RIGHT, False: WRONG, None: DARK}
_TRACK = (238, 238, 238)
_SHORTEST = 80  # pixels of a full bar, with the space around it


@dataclass(frozen=True, slots=True)
class Bar:
    """A horizontal bar.

    Attributes:
        name: written at its left; if it is long on two lines, then shortened where it is like others.
        share: where it ends, from 0 to 1; drawn as 0 if it is not finite.
        label: written at its right.
        correct: blue with a tick if True, orange with a cross if False, else grey.
        origin: where it begins, from 0 to 1; a line marks it where that is not the left end.
    """

    name: str
    share: float
    label: str
    correct: bool | None = None
    origin: float = 0.0


def bars_height(bars: Sequence[Bar], width: int, size: int, among: Sequence[Bar] = ()) -> int:
    """How high bars of a width must be for type of a size: those with long names have two lines."""
    return sum(_row_heights(bars, _names_width(among or bars, width, size), size, _names(among or bars)))


def fit_whole(bars: Sequence[Bar], width: int, size: int) -> bool:
    """Whether bars of a width have names that need no cut, and are long enough to be compared."""
    names = _names_width(bars, width, size)
    labels = max(text_width(bar.label, size) for bar in bars)
    whole = not any(ELLIPSIS in line for bar in bars for line in _name_lines(bar, names, size, ()))
    return whole and width - names - labels >= max(_SHORTEST, width // 4)


def bar_chart(
    bars: Sequence[Bar], *, width: int = 224, height: int = 224, size: int | None = None, among: Sequence[Bar] = ()
) -> RGB:
    """Horizontal bars below each other, (height, width, 3) uint8 RGB.

    Args:
        bars: from top to bottom.
        width: of the picture.
        height: of the picture.
        size: of the type in pixels; None for what fits.
        among: the bars of all charts of a sheet, these among them, which begin and end at the same places.
    """
    picture = blank(height, width)
    size = size or max(10, min(height // len(bars) * 2 // 3, width // 13))
    names, left = _names(among or bars), _names_width(among or bars, width, size) + 8
    right = width - int(max(text_width(bar.label, size) for bar in among or bars)) - 10
    for bar, (top, bottom) in zip(bars, pairwise(_edges(bars, left - 8, height, size, names)), strict=True):
        free = min(bottom - top, height // len(bars)) // 6
        rows = slice(top + free, bottom - free)
        ink, color = _INKS[bar.correct], _COLORS[bar.correct]
        name = stacked([text_block(line, size, ink) for line in _name_lines(bar, left - 8, size, names)])
        _paste(picture, painted(name), rows, 0)
        picture[rows, left:right] = _TRACK
        share = bar.share if math.isfinite(bar.share) else bar.origin
        start, end = sorted((bar.origin, min(max(share, 0.0), 1.0)))
        room = right - left
        picture[rows, left + round(room * start) : left + round(room * end)] = color
        if bar.origin:
            picture[rows, left + round(room * bar.origin)] = DARK
        _paste(picture, text_block(bar.label, size, ink), rows, right + 8)
    return picture


def _edges(bars: Sequence[Bar], width: int, height: int, size: int, names: tuple[str, ...]) -> list[int]:
    """Where rows begin and end: those with two lines are higher where there is room for that."""
    heights = _row_heights(bars, width, size, names)
    if sum(heights) > height:
        heights = [1] * len(bars)
    return [round(end * height / sum(heights)) for end in accumulate(heights, initial=0)]


def _row_heights(bars: Sequence[Bar], width: int, size: int, names: tuple[str, ...]) -> list[int]:
    return [size // 12 + line_height(size) * len(_name_lines(bar, width, size, names)) for bar in bars]


def _names_width(bars: Sequence[Bar], width: int, size: int) -> int:
    return math.ceil(min(max(text_width(_marked(bar), size) for bar in bars), width * 0.42))


def _name_lines(bar: Bar, width: int, size: int, names: tuple[str, ...]) -> list[str]:
    return lines_told_apart(_marked(bar), width, size, among=names)


def _names(bars: Sequence[Bar]) -> tuple[str, ...]:
    return tuple(map(_marked, bars))


def _marked(bar: Bar) -> str:
    # The left-to-right mark keeps the sign on the left of names that are written from right to left.
    return bar.name if bar.correct is None else f"\u200e{SIGNS[bar.correct]} {bar.name}"


def _paste(picture: RGB, block: RGB, within: slice, left: int) -> None:
    top = max(0, (within.start + within.stop - block.shape[0]) // 2)
    rows, columns = picture[top : top + block.shape[0], left : left + block.shape[1]].shape[:2]
    picture[top : top + rows, left : left + columns] = block[:rows, :columns]
