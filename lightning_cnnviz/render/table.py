"""A table of numbers as colored cells."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lightning_cnnviz.render.bars import ColorBar
from lightning_cnnviz.render.blocks import Block, Mosaic, beside, padded, stacked
from lightning_cnnviz.render.captions import label_blocks
from lightning_cnnviz.render.geometry import GAP, WIDTH, framed, text_size
from lightning_cnnviz.render.maps import draw_maps
from lightning_cnnviz.render.text import DARK, format_number, line_block, text_block, text_width, wrapped

if TYPE_CHECKING:
    from lightning_cnnviz.output.artifacts import RGB

_SMALLEST_CELL, _LARGEST_CELL = 46, 128
_LEAST_FOR_NAMES = 240
_LUMA, _DARK_CELL = np.array([0.299, 0.587, 0.114]), 140


def heat_table(
    values: NDArray[np.floating],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    limits: tuple[float, float],
    logarithmic: bool = False,
    colormap: str = "viridis",
    label: str = "",
    title: str = "",
    footer: str = "",
) -> RGB:
    """Draw a table of numbers as colored cells, with the numbers in them where there is room.

    Args:
        values: (R, C) numbers; NaN is left white.
        rows: the name of each row.
        columns: the heading of each column.
        limits: the numbers at the lowest and the highest color; what lies beyond has these colors, too.
        logarithmic: whether equal steps of color are equal factors; what is below the lowest number looks like it.
        colormap: a name that `lookup_table` accepts.
        label: what the numbers are.
        title: what is shown.
        footer: how to read it.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    size = text_size(WIDTH)
    longest = math.ceil(max(text_width(name, size) for name in rows)) + GAP
    names = min(longest, max(_LEAST_FOR_NAMES, WIDTH - len(columns) * _SMALLEST_CELL))
    width = min(_LARGEST_CELL, (WIDTH - names) // len(columns))
    size = text_size(names + len(columns) * width)
    height = max(min(width, 64), size * 5 // 4)
    written = [[_number(value) for value in row] for row in values.tolist()]
    inside = _largest(range(size, 9, -1), list(chain(*written)), width - 4)
    shown, ends = np.asarray(values, np.float64), np.asarray(limits, np.float64)
    if logarithmic:
        shown, ends = np.log(np.maximum(shown, ends[0])), np.log(ends)
    low, high = ends.tolist()
    colors = draw_maps(np.nan_to_num(shown, nan=low)[..., None, None], colormap=colormap, limits=(low, high)).cells
    lines: list[list[Block]] = [[Mosaic((1, names)), *_headings(columns, width, size)]]
    for row, name in enumerate(rows):
        cells = [
            _cell(colors[row, column, 0, 0], text, height, width, inside) for column, text in enumerate(written[row])
        ]
        lines.append([padded(line_block(name, names - GAP, size, DARK), height, names, across=0), *cells])
    body = stacked([beside(line) for line in lines])
    ends_written = (_number(float(limits[0])), _number(float(limits[1])))
    bar = ColorBar(colormap, *limits, label=f"{label}, logarithmic" if logarithmic else label, words=ends_written)
    return framed(body, title, footer, bar)


def _headings(columns: Sequence[str], width: int, size: int) -> list[Block]:
    """Above each column, or where a word is too wide for that above every few of them, as along an axis."""
    if all(text_width(line, size) <= width for text in columns for line in wrapped(text, width, size)):
        return label_blocks(columns, width, size, DARK, down=1)
    step = math.ceil((max(text_width(text, size) for text in columns) + GAP) / width)
    rooms = [(text, (len(columns) - index) * width) for index, text in enumerate(columns) if index % step == 0]
    return [
        padded(text_block(text, size, DARK), 0, min(step * width, room), across=0)
        for text, room in rooms
        if text_width(text, size) <= room
    ]


def _number(value: float) -> str:
    if not math.isfinite(value):
        return ""
    return f"{value:.0f}" if value.is_integer() else format_number(round(value, 3))


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
