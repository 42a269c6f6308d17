"""Pictures in one grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lightning_cnnviz.render.bars import ColorBar, strength_bar, verdict_band
from lightning_cnnviz.render.blocks import Block, Mosaic, beside, grid, padded, stacked
from lightning_cnnviz.render.captions import Caption, caption_blocks, label_blocks
from lightning_cnnviz.render.checks import check_count, check_pictures
from lightning_cnnviz.render.geometry import (
    GAP,
    PIXEL_ART,
    WIDTH,
    balanced_columns,
    box_height,
    cell_block,
    cell_width,
    framed,
    is_white_at_edges,
    text_size,
    tile_gap,
    with_left_out,
)
from lightning_cnnviz.render.text import DARK, MUTED, line_height, text_block, text_width

if TYPE_CHECKING:
    from lightning_cnnviz.output.artifacts import RGB

_NARROWEST_LABELLED = 40
_MOST_TILES = 1024
_EASY_TO_ADD = 8
_SAMPLE = 160  # pixels that a sample above its cells is wide at most, if it is not flat


def tiles(
    cells: Sequence[RGB] | NDArray[np.uint8],
    *,
    labels: Sequence[str] = (),
    columns: int | None = None,
    title: str = "",
    footer: str = "",
    bar: ColorBar | None = None,
    strengths: Sequence[float | None] = (),
    smooth: bool = False,
    sample: RGB | None = None,
    caption: Caption | None = None,
    numbered: bool = False,
    most_lines: int = 2,
    correct: Sequence[bool | None] = (),
) -> RGB:
    """Draw pictures in one grid, in reading order: filters, the feature maps of one sample, class prototypes.

    Args:
        cells: (K, h, w, 3) uint8 RGB, or K pictures of (h, w, 3).
        labels: a text under every cell; left out where cells are too small for text that can be read.
        columns: cells in a row; ``None`` for a picture that is about square.
        title: what is shown, and of which layer.
        footer: how to read it.
        bar: the color scale that all cells share.
        strengths: how much of a bar under every cell is filled, from 0 to 1; None for no bar.
        smooth: how small cells are enlarged: bilinearly, or pixel by pixel.
        sample: (H, W, 3) uint8 RGB, what all cells are of; it stands above them.
        caption: of the sample.
        numbered: whether rows and columns are numbered: ``16`` before a row and ``+3`` above a column are cell 19.
        most_lines: that a label takes before it loses its middle.
        correct: whether what each cell stands for is right, for a band below it; where none is known there are none.

    Returns:
        (H, W, 3) uint8 RGB, at most 1,000 pixels wide: many cells become small ones.

    Raises:
        TypeError: if a picture is not uint8.
        ValueError: if a shape or a number of items does not fit.
    """
    _check_tiles(cells, labels, columns)
    footer = with_left_out(footer, (min(len(cells), _MOST_TILES), len(cells), "cells"))
    cells, labels = cells[:_MOST_TILES], labels[:_MOST_TILES]
    columns = columns or balanced_columns(len(cells), cells[0].shape[0] / cells[0].shape[1])
    if numbered and columns > _EASY_TO_ADD // 2:  # numbers of rows that are easily added to
        columns = max(1, round(columns / _EASY_TO_ADD)) * _EASY_TO_ADD
    head = _number_width(len(cells), columns) if numbered else 0
    slot = (WIDTH - head) / columns
    width = cell_width(max(slot - GAP, slot / 1.1), cells[0], narrowest=1)
    height = box_height(cells[0], width)
    size = text_size(columns * width + head)

    edge = any(map(is_white_at_edges, cells))
    blocks = [cell_block(cell, height, width, smooth=smooth, edge=edge) for cell in cells]
    if any(share is not None for share in strengths):
        shares = strengths[: len(blocks)]
        blocks = [stacked([block, strength_bar(share, width)], 2) for block, share in zip(blocks, shares, strict=True)]
    if any(one is not None for one in correct):
        bands = [verdict_band(one, width) for one in correct[: len(blocks)]]
        blocks = [stacked([block, band], 2) for block, band in zip(blocks, bands, strict=True)]
    fit = not numbered or all(text_width(label, size) <= width for label in labels)
    if any(labels) and fit and width >= _NARROWEST_LABELLED:
        below = label_blocks(labels, width, size, DARK, most=most_lines)
        blocks = [
            stacked([block, text]) if label else block for block, text, label in zip(blocks, below, labels, strict=True)
        ]
    rows = [blocks[start : start + columns] for start in range(0, len(blocks), columns)]
    gap = tile_gap(width)
    body: Block = grid(rows, gap)
    if numbered:
        body = _numbered(rows, height, head - GAP, gap)
    if sample is not None:
        body = stacked([_head(sample, caption, size), body], GAP)
    return framed(body, title, footer, bar)


def _number_width(count: int, columns: int) -> int:
    """The room before rows for the numbers of their first cells, and the gap behind it."""
    return math.ceil(text_width(str((count - 1) // columns * columns), text_size(WIDTH))) + GAP


def _numbered(rows: Sequence[Sequence[Block]], height: int, head: int, gap: int) -> Block:
    """Rows of cells with the number of the first cell before each row, and above columns what is to be added to it."""
    size, columns, width = text_size(WIDTH), len(rows[0]), rows[0][0].shape[1]
    widest = text_width(f"+{columns - 1}", size) + GAP
    every = math.ceil(widest / (width + gap))  # heads that would run into each other are left out
    places = []
    for column in range(0, columns, every):
        text = text_block(f"+{column}", size, MUTED)
        left = head + GAP + column * (width + gap) + (width - text.shape[1]) // 2
        places.append((text, 0, max(0, left)))
    total = max([head + GAP + columns * (width + gap) - gap, *(left + text.shape[1] for text, _, left in places)])
    above = Mosaic((line_height(size), total), places)
    numbers = [text_block(str(number * columns), size, MUTED) for number in range(len(rows))]
    lines = [
        beside([padded(padded(text, 0, head, across=1), height, 0), grid([row], gap)], GAP, down=0)
        for text, row in zip(numbers, rows, strict=True)
    ]
    return stacked([above, stacked(lines, gap)], GAP // 2)


def _head(sample: RGB, caption: Caption | None, size: int) -> Block:
    """A sample with its caption at its right."""
    width = cell_width(_SAMPLE, sample)
    height = box_height(sample, width)
    block = cell_block(sample, height, width, smooth=sample.shape[1] > PIXEL_ART)
    if caption is None:
        return block
    return beside([block, *caption_blocks([caption], [height], WIDTH - width - 2 * GAP, size)], 2 * GAP)


def _check_tiles(cells: Sequence[RGB] | NDArray[np.uint8], labels: Sequence[str], columns: int | None) -> None:
    check_pictures("cells", cells)
    if columns is not None and columns < 1:
        raise ValueError(f"columns must be at least 1, got {columns}")
    if labels:
        check_count("labels", labels, "cells", len(cells))
