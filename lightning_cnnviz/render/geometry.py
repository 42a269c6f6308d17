"""How large cells and text are, so that a picture can be read in a card 350 pixels wide and on the whole screen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lightning_cnnviz.render.bars import ColorBar, horizontal_bar
from lightning_cnnviz.render.blocks import Block, Mosaic, fitted, padded, painted, stacked
from lightning_cnnviz.render.text import DARK, MUTED, line_block

if TYPE_CHECKING:
    from lightning_cnnviz.output.artifacts import RGB

GAP = 8
NARROWEST_CELL = 96
_WIDEST_CELL = 224
_TALLEST_CELL = 1.5  # times its width
_WANTED_WIDTH = 1000
_WIDEST_PICTURE = 1400
_NARROWEST_BODY = 480  # a title needs room
_MARGIN = 16


def cell_width(columns: int, native: int, *, share: float = 1.0, narrowest: int = NARROWEST_CELL) -> int:
    """Width of a cell: a multiple or a part of the picture's own width if one is near, so that its pixels stay equal.

    Args:
        columns: cells in a row.
        native: width of the picture to put there.
        share: the part of a column that is left for the cell.
        narrowest: below this, the picture rather grows beyond its usual width.
    """
    slot = (_WIDEST_PICTURE - 2 * _MARGIN) / columns
    limit = max(narrowest, min(_WIDEST_CELL, share * max(slot - GAP, slot / 1.1)))
    wanted = min(limit, max(share * _WANTED_WIDTH / columns, NARROWEST_CELL))
    parts = max(1, round(native / wanted))
    if native % parts == 0:
        even = native // parts * max(1, min(round(wanted / native), int(limit // native)))
        if max(narrowest, 0.85 * wanted) <= even <= min(1.15 * wanted, limit):
            return even
    return int(wanted)


def tile_gap(width: int) -> int:
    """Space between cells of a width: a tenth of it for small ones."""
    return min(GAP, max(1, width // 10))


def box_height(picture: RGB, width: int) -> int:
    """Height that a picture takes at a width; a very tall one is made narrower instead."""
    aspect: float = picture.shape[0] / picture.shape[1]
    return math.ceil(width * min(aspect, _TALLEST_CELL))


def cell_block(picture: RGB, height: int, width: int, *, smooth: bool) -> Block:
    """A picture in the middle of a cell."""
    return padded(fitted(picture, height, width, smooth=smooth), height, width)


def balanced_columns(count: int, aspect: float) -> int:
    """Columns for cells of an aspect (height to width): a picture near 3:2 with few empty places in its last row."""
    ideal = math.sqrt(count * aspect * 3 / 2)

    def cost(columns: int) -> float:
        return abs(math.log(columns / ideal)) + 3 * (-count % columns) / count

    return min(range(1, count + 1), key=cost)


def text_size(width: float) -> int:
    """Size in pixels of text that can still be read when a picture of a width is shown 350 pixels wide."""
    return max(24, round(width * 0.028))


def framed(body: Block, title: str, footer: str, bar: ColorBar | None) -> RGB:
    """Put a title above a body, its scale and a remark below, and a margin around."""
    width = max(_NARROWEST_BODY, body.shape[1])
    size = text_size(width)
    blocks: list[Block] = [body]
    if title:
        blocks.insert(0, line_block(title, width, size * 5 // 4, DARK))
    if bar:
        blocks.append(horizontal_bar(bar, width, size))
    if footer:
        blocks.append(line_block(footer, width, size, MUTED))
    inside = stacked(blocks, GAP)
    size_with_margin = (inside.shape[0] + 2 * _MARGIN, max(width, inside.shape[1]) + 2 * _MARGIN)
    return painted(Mosaic(size_with_margin, [(inside, _MARGIN, _MARGIN)]))
