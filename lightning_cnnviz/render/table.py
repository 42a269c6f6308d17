"""Tables of numbers as colored cells."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from lightning_cnnviz.output.artifacts import PLAIN, RGB, Style
from lightning_cnnviz.render.bars import ColorBar
from lightning_cnnviz.render.blocks import Block, Mosaic, beside, padded, stacked
from lightning_cnnviz.render.captions import label_blocks
from lightning_cnnviz.render.figures import titled
from lightning_cnnviz.render.geometry import GAP, WIDTH, framed, text_size
from lightning_cnnviz.render.maps import draw_maps
from lightning_cnnviz.render.text import (
    DARK,
    format_number,
    line_height,
    text_block,
    text_width,
    using_font,
    wrapped,
)

_SMALLEST_CELL, _LARGEST_CELL = 46, 128
_LEAST_FOR_NAMES = 240
_SMALLEST_INSIDE = 15  # size of type in a cell, smaller than elsewhere: the color says the same
_LUMA, _DARK_CELL = np.array([0.299, 0.587, 0.114]), 140


@dataclass(frozen=True, eq=False)
class HeatTable:
    """A table of numbers as colored cells, with the numbers in them where there is room.

    Attributes:
        values: (R, C) numbers; NaN is left white.
        rows: the name of each row.
        columns: the heading of each column.
        limits: the numbers at the lowest and the highest color; what lies beyond has these colors, too.
        logarithmic: whether equal steps of color are equal factors; what is below the lowest number looks like it.
        colormap: a name that `lookup_table` accepts.
        label: what the numbers are.
        title: what is shown.
        footer: how to read it.
    """

    values: NDArray[np.float64]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    limits: tuple[float, float]
    logarithmic: bool = False
    colormap: str = "viridis"
    label: str = ""
    title: str = ""
    footer: str = ""

    summary = None

    def draw(self, style: Style = PLAIN) -> RGB:
        """The picture, (H, W, 3) uint8 RGB."""
        with using_font(style.font):
            label = f"{self.label}, logarithmic" if self.logarithmic else self.label
            ends = (_number(float(self.limits[0])), _number(float(self.limits[1])))
            bar = ColorBar(self.colormap, *self.limits, label=label, words=ends)
            return framed(self._body(), titled(self.title, style), self.footer, bar)

    def _body(self) -> Block:
        size = text_size(WIDTH)
        longest = math.ceil(max(text_width(name, size) for name in self.rows)) + GAP
        names = min(longest, max(_LEAST_FOR_NAMES, WIDTH - len(self.columns) * _SMALLEST_CELL))
        width = min(_LARGEST_CELL, (WIDTH - names) // len(self.columns))
        size = text_size(names + len(self.columns) * width)
        named = label_blocks(self.rows, names - GAP, size, DARK, across=0)
        height = max(min(width, 64), size * 5 // 4, named[0].shape[0])
        written, inside = self._written(size, width - 4)
        lines: list[list[Block]] = [[Mosaic((1, names)), _headings(self.columns, width, size)]]
        for name, colors, texts in zip(named, self._colors(), written, strict=True):
            cells = [_cell(color, text, height, width, inside) for color, text in zip(colors, texts, strict=True)]
            lines.append([padded(name, height, names, across=0), *cells])
        return stacked([beside(line) for line in lines])

    def _written(self, largest: int, room: int) -> tuple[list[list[str]], int | None]:
        """What stands in the cells, ``12k`` for 12,345 where that takes too much room, and the size of its type."""
        for number in (_number, _short):
            written = [[number(value) for value in row] for row in self.values.tolist()]
            size = _largest(range(largest, _SMALLEST_INSIDE - 1, -1), list(chain(*written)), room)
            if size is not None:
                break
        return written, size

    def _colors(self) -> NDArray[np.uint8]:
        """(R, C, 3)."""
        shown, ends = np.asarray(self.values, np.float64), np.asarray(self.limits, np.float64)
        if self.logarithmic:
            shown, ends = np.log(np.maximum(shown, ends[0])), np.log(ends)
        low, high = ends.tolist()
        maps = np.nan_to_num(shown, nan=low)[..., None, None]
        return draw_maps(maps, colormap=self.colormap, limits=(low, high)).cells[:, :, 0, 0]


def _headings(columns: Sequence[str], width: int, size: int) -> Block:
    """Above each column, by turns in two heights if they would touch; of words too wide for that only some."""
    apart = size // 3
    if all(text_width(line, size) <= width - apart for text in columns for line in wrapped(text, width - apart, size)):
        return beside(label_blocks(columns, width, size, DARK, down=1))
    blocks, whole, height = [text_block(text, size, DARK) for text in columns], width * len(columns), line_height(size)
    widest = max(block.shape[1] for block in blocks)
    if 3 * widest <= 5 * width - 2 * apart:  # the last but two ends before the last one, which is moved to the left
        lefts = [index * width + (width - block.shape[1]) // 2 for index, block in enumerate(blocks)]
        inside = [max(0, min(left, whole - block.shape[1])) for left, block in zip(lefts, blocks, strict=True)]
        heights = [index % 2 * height for index in range(len(blocks))]
        return Mosaic((2 * height, whole), list(zip(blocks, heights, inside, strict=True)))
    step = math.ceil((widest + apart) / width)  # as along an axis
    some = zip(blocks[::step], range(0, whole, step * width), strict=True)
    return Mosaic((height, whole), [(block, 0, left) for block, left in some if left + block.shape[1] <= whole])


def _number(value: float) -> str:
    if not math.isfinite(value):
        return ""
    return f"{value:.0f}" if value.is_integer() else format_number(round(value, 3))


def _short(value: float) -> str:
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:.1f}{letter}" if value < 9.95 * unit else f"{value / unit:.0f}{letter}"
    return _number(value)


def _cell(color: NDArray[np.uint8], text: str, height: int, width: int, size: int | None) -> RGB:
    cell = np.broadcast_to(color if text else np.array([255, 255, 255], np.uint8), (height, width, 3)).copy()
    if size is None or not text:
        return cell
    ink = text_block(text, size, DARK)
    top, left = (height - ink.shape[0]) // 2, (width - ink.shape[1]) // 2
    place = cell[top : top + ink.shape[0], left : left + ink.shape[1]]
    if color @ _LUMA < _DARK_CELL:
        np.maximum(place, 255 - ink, out=place)
    else:
        np.minimum(place, ink, out=place)
    return cell


def _largest(sizes: Iterable[int], texts: Sequence[str], room: int) -> int | None:
    """The first size of type in which all texts fit into the room, None if in none of them."""
    return next((size for size in sizes if all(text_width(text, size) <= room for text in texts)), None)
