"""Blocks of pixels put beside and below each other on white."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from lightning_cnnviz.render.maps import resize

if TYPE_CHECKING:
    from lightning_cnnviz.artifacts import RGB

WHITE = 255


@dataclass(frozen=True, slots=True)
class Mosaic:
    """Blocks and where they belong, with top and left; pasted together only once, where they end up."""

    shape: tuple[int, int, int]
    places: list[tuple[RGB, int, int]]


Block: TypeAlias = "RGB | Mosaic"


def blank(height: int, width: int) -> RGB:
    """A white block."""
    return np.full((height, width, 3), WHITE, np.uint8)


def padded(block: RGB, height: int, width: int, *, across: float = 0.5, down: float = 0.5) -> RGB:
    """A block on white of at least the given size; 0 puts it at the left or top, 1 at the right or bottom.

    It is the block itself where that is large enough.
    """
    spare_rows, spare_columns = max(0, height - block.shape[0]), max(0, width - block.shape[1])
    if not (spare_rows or spare_columns):
        return block
    canvas = blank(block.shape[0] + spare_rows, block.shape[1] + spare_columns)
    _paste(canvas, block, round(spare_rows * down), round(spare_columns * across))
    return canvas


def beside(blocks: Sequence[RGB], gap: int = 0, *, down: float = 0.5) -> RGB:
    """Blocks from left to right, as high as the highest."""
    height = max(block.shape[0] for block in blocks)
    lefts, width = _places([block.shape[1] for block in blocks], gap)
    canvas = blank(height, width)
    for block, left in zip(blocks, lefts, strict=True):
        _paste(canvas, block, round((height - block.shape[0]) * down), left)
    return canvas


def stacked(blocks: Sequence[Block], gap: int = 0, *, narrowest: int = 0, margin: int = 0) -> RGB:
    """Blocks from top to bottom at the left, as wide as the widest, with a margin around all of them."""
    tops, height = _places([block.shape[0] for block in blocks], gap)
    width = max(narrowest, *(block.shape[1] for block in blocks))
    canvas = blank(height + 2 * margin, width + 2 * margin)
    for block, top in zip(blocks, tops, strict=True):
        _paste(canvas, block, top + margin, margin)
    return canvas


def grid(rows: Sequence[Sequence[RGB]], gap: int = 0) -> Mosaic:
    """Blocks in rows and columns; a column is as wide as its widest block, a row may be shorter than the others."""
    count = max(len(row) for row in rows)
    lefts, width = _places([max(row[i].shape[1] for row in rows if i < len(row)) for i in range(count)], gap)
    tops, height = _places([max(block.shape[0] for block in row) for row in rows], gap)
    places = [
        (block, top, left) for row, top in zip(rows, tops, strict=True) for block, left in zip(row, lefts, strict=False)
    ]
    return Mosaic((height, width, 3), places)


def _places(lengths: Sequence[int], gap: int) -> tuple[list[int], int]:
    """Where each of the lengths begins when they follow each other with gaps, and where the last one ends."""
    ends = list(accumulate(length + gap for length in lengths))
    return [0, *ends[:-1]], ends[-1] - gap


def _paste(canvas: RGB, block: Block, top: int, left: int) -> None:
    if isinstance(block, Mosaic):
        for piece, piece_top, piece_left in block.places:
            _paste(canvas, piece, top + piece_top, left + piece_left)
    else:
        canvas[top : top + block.shape[0], left : left + block.shape[1]] = block


def fitted(picture: RGB, height: int, width: int, *, smooth: bool) -> RGB:
    """A picture resized to touch the sides of a box, with its aspect ratio kept."""
    factor = min(height / picture.shape[0], width / picture.shape[1])
    size = (max(1, round(picture.shape[0] * factor)), max(1, round(picture.shape[1] * factor)))
    if size == picture.shape[:2]:
        return picture
    # Dropping rows of pixels would hide lines and invent patterns: what shrinks is averaged.
    return resize(picture, size, smooth=smooth or factor < 1)
