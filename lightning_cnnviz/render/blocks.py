"""Blocks of pixels put beside and below each other on white."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from lightning_cnnviz.render.maps import resize

if TYPE_CHECKING:
    from lightning_cnnviz.artifacts import RGB

WHITE = 255


def blank(height: int, width: int) -> RGB:
    """A white block."""
    return np.full((height, width, 3), WHITE, np.uint8)


def padded(block: RGB, height: int, width: int, *, across: float = 0.5, down: float = 0.5) -> RGB:
    """A block on white of at least the given size; 0 puts it at the left or top, 1 at the right or bottom."""
    spare_rows, spare_columns = max(0, height - block.shape[0]), max(0, width - block.shape[1])
    top, left = round(spare_rows * down), round(spare_columns * across)
    bottom, right = spare_rows - top, spare_columns - left
    white = (WHITE, WHITE, WHITE)
    return np.asarray(cv2.copyMakeBorder(block, top, bottom, left, right, cv2.BORDER_CONSTANT, value=white), np.uint8)


def beside(blocks: Sequence[RGB], gap: int = 0, *, down: float = 0.5) -> RGB:
    """Blocks from left to right, as high as the highest."""
    height = max(block.shape[0] for block in blocks)
    spaced = [padded(block, height, block.shape[1] + gap, across=0, down=down) for block in blocks]
    return np.concatenate(spaced, axis=1)[:, : -gap or None]


def stacked(blocks: Sequence[RGB], gap: int = 0, *, across: float = 0) -> RGB:
    """Blocks from top to bottom, as wide as the widest."""
    width = max(block.shape[1] for block in blocks)
    spaced = [padded(block, block.shape[0] + gap, width, across=across, down=0) for block in blocks]
    return np.concatenate(spaced, axis=0)[: -gap or None]


def grid(rows: Sequence[Sequence[RGB]], gap: int = 0) -> RGB:
    """Blocks in rows and columns; a column is as wide as its widest block, a row may be shorter than the others."""
    count = max(len(row) for row in rows)
    widths = [max(row[column].shape[1] for row in rows if column < len(row)) for column in range(count)]
    lines = [
        beside([padded(block, 0, width, across=0) for block, width in zip(row, widths, strict=False)], gap, down=0)
        for row in rows
    ]
    return stacked(lines, gap)


def fitted(picture: RGB, height: int, width: int, *, smooth: bool) -> RGB:
    """A picture resized to touch the sides of a box, with its aspect ratio kept."""
    factor = min(height / picture.shape[0], width / picture.shape[1])
    size = (max(1, round(picture.shape[0] * factor)), max(1, round(picture.shape[1] * factor)))
    # Dropping rows of pixels would hide lines and invent patterns: what shrinks is averaged.
    return resize(picture, size, smooth=smooth or factor < 1)
