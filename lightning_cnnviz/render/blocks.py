"""Blocks of pixels put beside and below each other on white."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, TypeAlias
from weakref import ref

import numpy as np

from lightning_cnnviz.render.resampling import resize_into

if TYPE_CHECKING:
    from lightning_cnnviz.output.artifacts import RGB

WHITE = 255


@dataclass(frozen=True, slots=True)
class Mosaic:
    """Blocks on white, each with its top and left. Pixels are copied once, by `painted`, however deep a block lies.

    Attributes:
        shape: height and width.
        places: the blocks, which lie within the mosaic.
    """

    shape: tuple[int, int]
    places: Sequence[tuple[Block, int, int]] = ()


@dataclass(frozen=True, slots=True)
class Resized:
    """A picture at another size, whose pixels are computed where they end up.

    Attributes:
        picture: (h, w, 3).
        shape: height and width.
        smooth: see :func:`~lightning_cnnviz.render.resampling.resize`.
    """

    picture: RGB
    shape: tuple[int, int]
    smooth: bool


Block: TypeAlias = "RGB | Resized | Mosaic"


def painted(block: Block) -> RGB:
    """The pixels of a block, (H, W, 3)."""
    canvas = blank(*block.shape[:2])
    _paste(canvas, block, 0, 0)
    return canvas


def _paste(canvas: RGB, block: Block, top: int, left: int) -> None:
    if isinstance(block, Mosaic):
        for part, below, right in block.places:
            _paste(canvas, part, top + below, left + right)
        return
    place = canvas[top : top + block.shape[0], left : left + block.shape[1]]
    if not isinstance(block, Resized):
        place[...] = block
    elif block.picture.flags.writeable:
        resize_into(place, block.picture, block.smooth)
    else:
        place[...] = _resized(_Same(block.picture), block.shape, block.smooth)


class _Same:
    """Names a picture that cannot be changed, and does not keep it alive."""

    def __init__(self, picture: RGB) -> None:
        self.picture, self._hash = ref(picture), id(picture)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and (mine := self.picture()) is not None and mine is other.picture()


@lru_cache(maxsize=64)  # the pictures of a run show the same samples in a few sizes
def _resized(same: _Same, shape: tuple[int, int], smooth: bool) -> RGB:
    picture, resized = same.picture(), np.empty((*shape, 3), np.uint8)
    assert picture is not None  # who asks holds it
    resize_into(resized, picture, smooth)
    return resized


def blank(height: int, width: int) -> RGB:
    """White pixels."""
    return filled(height, width, WHITE)


def filled(height: int, width: int, shade: int) -> RGB:
    """Pixels of one grey."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels.fill(shade)  # full() takes twice as long
    return pixels


def padded(block: Block, height: int, width: int, *, across: float = 0.5, down: float = 0.5) -> Block:
    """A block on white of at least the given size; 0 puts it at the left or top, 1 at the right or bottom.

    It is the block itself where that is large enough.
    """
    spare_rows, spare_columns = max(0, height - block.shape[0]), max(0, width - block.shape[1])
    if not (spare_rows or spare_columns):
        return block
    shape = (block.shape[0] + spare_rows, block.shape[1] + spare_columns)
    return Mosaic(shape, [(block, round(spare_rows * down), round(spare_columns * across))])


def beside(blocks: Sequence[Block], gap: int = 0, *, down: float = 0.5) -> Mosaic:
    """Blocks from left to right, as high as the highest."""
    height = max(block.shape[0] for block in blocks)
    lefts, width = _places([block.shape[1] for block in blocks], gap)
    tops = (round((height - block.shape[0]) * down) for block in blocks)
    return Mosaic((height, width), list(zip(blocks, tops, lefts, strict=True)))


def stacked(blocks: Sequence[Block], gap: int = 0) -> Mosaic:
    """Blocks from top to bottom at the left, as wide as the widest."""
    tops, height = _places([block.shape[0] for block in blocks], gap)
    width = max(block.shape[1] for block in blocks)
    return Mosaic((height, width), [(block, top, 0) for block, top in zip(blocks, tops, strict=True)])


def grid(rows: Sequence[Sequence[Block]], gap: int = 0) -> Mosaic:
    """Blocks in rows and columns; a column is as wide as its widest block, a row may be shorter than the others."""
    count = max(len(row) for row in rows)
    lefts, width = _places([max(row[i].shape[1] for row in rows if i < len(row)) for i in range(count)], gap)
    tops, height = _places([max(block.shape[0] for block in row) for row in rows], gap)
    places = [
        (block, top, left) for row, top in zip(rows, tops, strict=True) for block, left in zip(row, lefts, strict=False)
    ]
    return Mosaic((height, width), places)


def _places(lengths: Sequence[int], gap: int) -> tuple[list[int], int]:
    """Where each of the lengths begins when they follow each other with gaps, and where the last one ends."""
    ends = list(accumulate(length + gap for length in lengths))
    return [0, *ends[:-1]], ends[-1] - gap


def fitted(picture: RGB, height: int, width: int, *, smooth: bool) -> Block:
    """A picture resized to touch the sides of a box, with its aspect ratio kept."""
    factor = min(height / picture.shape[0], width / picture.shape[1])
    size = (max(1, round(picture.shape[0] * factor)), max(1, round(picture.shape[1] * factor)))
    if size == picture.shape[:2]:
        return picture
    # Dropping rows of pixels would hide lines and invent patterns: what shrinks is averaged.
    return Resized(picture, size, smooth or factor < 1)
