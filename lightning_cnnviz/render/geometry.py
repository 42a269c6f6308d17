"""How large cells and text are, so that a picture can be read in a card 350 pixels wide and on the whole screen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lightning_cnnviz.render.bars import ColorBar, horizontal_bar
from lightning_cnnviz.render.blocks import Block, Mosaic, filled, fitted, padded, painted, stacked
from lightning_cnnviz.render.text import DARK, MUTED, Color, line_block, wrapped

if TYPE_CHECKING:
    from lightning_cnnviz.output.artifacts import RGB

GAP = 8
MARGIN = 16
WIDTH = 1000 - 2 * MARGIN
"""Most pixels that a picture is wide without its margins: a browser shows it in 350 by leaving out pixels."""

TALLEST = 5200
"""Most pixels that a picture is high, 1,820 in a card; what would lie beyond is left out, and said."""

HIGH = 3000
"""Pixels of height beyond which samples lie abreast, if they stay large enough: 1,050 in a card."""

BETWEEN = 3 * GAP
"""Space between samples that lie abreast."""

NARROWEST_CELL = 80
WIDEST_CELL = 224
LOWEST_CELL = 48
"""Pixels that a picture has at least in height and width, as far as the line has room: of slits nothing is seen."""

PIXEL_ART = 64
"""Up to this width samples are enlarged pixel by pixel."""

_TALLEST_CELL, _TALLEST_STRIP = 1.5, 640  # times its width, and in pixels
_EDGE, _LINE = 190, 3  # grey, and pixels: in a card one of them is left
_NEARLY_WHITE, _MUCH = 244, 0.15  # of the pixels along the edges
_NARROWEST_BODY = 480  # a title needs room
_CARD, _LEGIBLE = 350, 11  # pixels: a card in TensorBoard, and the smallest type to be read there
_SMALLEST_TYPE = 18
_THICK_TYPE = 31  # from this size on a hyphen is 3 pixels thick, below it 2


def across(picture: RGB, most: int, room: int = WIDTH, *, lowest: int = LOWEST_CELL) -> int:
    """How many pictures stand beside each other in a line, so many at most, so that none becomes a slit."""
    return max(1, min(most, (room + GAP) // (width_at_least(picture, lowest) + GAP)))


def width_abreast(count: int) -> int:
    """The width that each of so many samples has that lie abreast with their cells."""
    return (WIDTH - (count - 1) * BETWEEN) // count


def width_at_least(picture: RGB, lowest: int = LOWEST_CELL) -> int:
    """The width that a cell needs for its picture to have a height."""
    height, width = picture.shape[:2]
    return max(NARROWEST_CELL, lowest * int(width) // int(height))


def cell_width(room: float, picture: RGB, *, narrowest: int = NARROWEST_CELL) -> int:
    """Width of a cell: a multiple or a part of the picture's own width if one is near, so that its pixels stay equal.

    Args:
        room: the most pixels there are for it.
        picture: what is put there.
        narrowest: no multiple or part below this is chosen.
    """
    native = int(picture.shape[1])
    limit = max(1, min(max(WIDEST_CELL, width_at_least(picture)), int(room)))
    parts = math.ceil(native / limit)
    if native % parts == 0:
        even = native // parts * max(1, limit * parts // native)
        if max(narrowest, 0.75 * limit) <= even <= limit:
            return even
    return limit


def tile_gap(width: int) -> int:
    """Space between cells of a width: a tenth of it for small ones."""
    return min(GAP, max(1, width // 10))


def box_height(picture: RGB, width: int) -> int:
    """Height that a picture takes at a width; a very tall one is made narrower instead, but no slit."""
    aspect: float = picture.shape[0] / picture.shape[1]
    tallest = max(width * _TALLEST_CELL, min(LOWEST_CELL * aspect, _TALLEST_STRIP))
    return math.ceil(min(width * aspect, tallest))


def cell_block(picture: RGB, height: int, width: int, *, smooth: bool, edge: bool = False) -> Block:
    """A picture in the middle of a cell, with a thin line around it if asked, or where it would fade into the paper."""
    block = fitted(picture, height, width, smooth=smooth)
    return padded(edged(block) if edge or is_white_at_edges(picture) else block, height, width)


def edged(block: Block) -> Block:
    """A picture whose outermost pixels are grey."""
    height, width = block.shape[:2]
    line = _LINE if min(height, width) >= NARROWEST_CELL // 2 else 1
    across, down = filled(line, width, _EDGE), filled(height, line, _EDGE)
    places = [(block, 0, 0), (across, 0, 0), (across, height - line, 0), (down, 0, 0), (down, 0, width - line)]
    return Mosaic((height, width), places)


def is_white_at_edges(picture: RGB) -> bool:
    """Whether a picture would fade into the paper."""
    bottom, right, green = picture.shape[0] - 1, picture.shape[1] - 1, picture.item
    # Few pixels tell of nearly all of the hundreds of cells in a look: viridis has no such green.
    corners = max(green(0, 0, 1), green(0, right, 1), green(bottom, 0, 1), green(bottom, right, 1))
    upper, left = green(0, right // 2, 1), green(bottom // 2, 0, 1)
    if max(corners, upper, left, green(bottom, right // 2, 1), green(bottom // 2, right, 1)) < _NEARLY_WHITE:
        return False
    edges = (picture[0], picture[-1], picture[:, 0], picture[:, -1])
    white = sum(int((edge.min(axis=1) >= _NEARLY_WHITE).sum()) for edge in edges)
    return white > _MUCH * sum(len(edge) for edge in edges)


def balanced_columns(count: int, aspect: float) -> int:
    """Columns for cells of an aspect (height to width): a picture near 3:2 with few empty places in its last row."""
    ideal = math.sqrt(count * aspect * 3 / 2)

    def cost(columns: int) -> float:
        return abs(math.log(columns / ideal)) + 3 * (-count % columns) / count

    return min(range(1, count + 1), key=cost)


def text_size(width: float) -> int:
    """Size in pixels of text that can still be read when a picture of a width is shown 350 pixels wide.

    Where a browser shows less than every second pixel, it would leave out lines of 2 pixels: hyphens, or the middle of
    an "e".
    """
    smallest = _THICK_TYPE if width + 2 * MARGIN > 2 * _CARD else _SMALLEST_TYPE
    return max(smallest, math.ceil((width + 2 * MARGIN) * _LEGIBLE / _CARD))


def framed(body: Block, title: str, footer: str, bar: ColorBar | None) -> RGB:
    """Put a title above a body, its scale and a remark below, and a margin around."""
    width = max(_NARROWEST_BODY, body.shape[1])
    size = text_size(width)
    blocks: list[Block] = [*paragraph(title, width, size * 9 // 8, DARK), body]
    if bar:
        blocks.append(horizontal_bar(bar, width, size))
    blocks += paragraph(footer, width, size, MUTED)
    inside = stacked(blocks, GAP)
    size_with_margin = (inside.shape[0] + 2 * MARGIN, max(width, inside.shape[1]) + 2 * MARGIN)
    return painted(Mosaic(size_with_margin, [(inside, MARGIN, MARGIN)]))


def paragraph(text: str, width: int, size: int, color: Color) -> list[Block]:
    """A text in as many lines as it takes, without the dots between parts at their ends; nothing for none."""
    lines = [line.removesuffix(" ·") for line in wrapped(text, width, size)] if text else []
    return [stacked([line_block(line, width, size, color) for line in lines])] if lines else []


def with_left_out(footer: str, *counts: tuple[int, int, str]) -> str:
    """A footer that says what is not shown: the number shown, of all, and what they are."""
    left_out = [f"{shown} of {total} {things} shown" for shown, total, things in counts if shown < total]
    return " · ".join(filter(None, [footer, *left_out]))
