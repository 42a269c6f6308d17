"""Color bars: which number a color stands for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from lightning_cnnviz.render.blocks import Block, beside, blank, filled, stacked
from lightning_cnnviz.render.colormaps import lookup_table
from lightning_cnnviz.render.text import DARK, MUTED, RIGHT, WRONG, Color, format_number, in_lines, text_block

if TYPE_CHECKING:
    from lightning_cnnviz.output.artifacts import RGB

_STRENGTH, _TRACK = 9, 222  # height of a bar in pixels, and the grey of its empty part
_VERDICT = 12
_VERDICTS: dict[bool | None, Color] = {True: RIGHT, False: WRONG, None: (200, 200, 200)}


@dataclass(frozen=True, slots=True)
class ColorBar:
    """The scale of a colored map.

    Attributes:
        colormap: a name that `lookup_table` accepts.
        low: the value at the lowest color.
        high: the value at the highest color. With ``low == -high`` the bar marks 0 as well.
        label: what the values are, for example ``"activation"``.
        words: written at the two ends instead of numbers, for maps that have each a scale of their own.
    """

    colormap: str
    low: float
    high: float
    label: str = ""
    words: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"low must not be above high, got low={self.low} and high={self.high}")

    @property
    def marks(self) -> tuple[str, ...]:
        """What to write along the bar, evenly spaced, from low to high."""
        if self.words is not None:
            return (self.words[0], "0", self.words[1]) if self.low == -self.high else self.words
        values = (self.low, 0.0, self.high) if self.low == -self.high != 0 else (self.low, self.high)
        return tuple(map(format_number, values))


def horizontal_bar(bar: ColorBar, width: int, size: int) -> Block:
    """A bar from left to right with its numbers below and its label beside it."""
    numbers = [text_block(mark, size, DARK) for mark in bar.marks]
    strip_width = max(width * 45 // 100, sum(number.shape[1] + size // 2 for number in numbers))
    scale = blank(size * 2 // 3 + 2 + numbers[0].shape[0], strip_width)
    scale[: size * 2 // 3] = _colors(bar.colormap, strip_width)
    for place, number in zip(np.linspace(0, 1, len(numbers)), numbers, strict=True):
        left = round((strip_width - number.shape[1]) * place)
        scale[-number.shape[0] :, left : left + number.shape[1]] = number
    if not bar.label:
        return scale
    lines = in_lines(bar.label, width - strip_width - size, size)
    return beside([scale, stacked([text_block(line, size, MUTED) for line in lines])], gap=size, down=0)


def strength_bar(share: float | None, width: int) -> RGB:
    """How strong a map is beside the strongest, from 0 to 1, as a bar from the left; white for None."""
    return _strength_bar(None if share is None else round(width * share), width)


def verdict_band(correct: bool | None, width: int) -> RGB:
    """A band that one sees in a card: blue for right, orange for wrong, grey where that is not known."""
    return np.full((_VERDICT, width, 3), _VERDICTS[correct], np.uint8)


@lru_cache(maxsize=512)
def _strength_bar(length: int | None, width: int) -> RGB:
    if length is None:
        return blank(_STRENGTH, width)
    bar = filled(_STRENGTH, width, _TRACK)
    bar[:, :length] = DARK
    return bar


def _colors(colormap: str, length: int) -> RGB:
    return lookup_table(colormap)[np.linspace(0, 255, length).round().astype(np.uint8)]
