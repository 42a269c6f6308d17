"""The two layouts: a sheet with one row per sample, and tiles in one grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lightning_cnnviz.render.bars import ColorBar, vertical_bar
from lightning_cnnviz.render.blocks import Block, beside, blank, grid, padded, stacked
from lightning_cnnviz.render.captions import Caption, caption_blocks, label_blocks
from lightning_cnnviz.render.charts import Bar, bar_chart
from lightning_cnnviz.render.geometry import (
    GAP,
    NARROWEST_CELL,
    TALLEST,
    WIDTH,
    balanced_columns,
    box_height,
    cell_block,
    cell_width,
    framed,
    text_size,
    tile_gap,
)
from lightning_cnnviz.render.text import DARK, MUTED, text_width

if TYPE_CHECKING:
    from lightning_cnnviz.output.artifacts import RGB

_CAPTION = 208
_SIDE = 136  # of the column of samples with their captions below
_SHORT = 144  # of captions that stand beside samples even where there are many cells
_FEW = 4  # cells beside which there is room for captions
_NARROWEST_LABELLED = 40
_BESIDE_BARS = 200
_BAR, _TRACK = 9, 222
_TALLEST_ROW = 2000
_MOST_TILES = 1024
_PIXEL_ART = 64  # samples up to this width are enlarged pixel by pixel


def sheet(
    samples: Sequence[RGB],
    captions: Sequence[Caption] | None,
    cells: Sequence[Sequence[RGB]],
    *,
    columns: Sequence[str] = (),
    title: str = "",
    footer: str = "",
    bar: ColorBar | None = None,
    cell_labels: Sequence[Sequence[str]] | None = None,
    strengths: Sequence[Sequence[float | None]] | None = None,
    first: str = "",
    smooth: bool = False,
) -> RGB:
    """Draw one row per sample: the sample, its caption, then its cells.

    Args:
        samples: (H, W, 3) uint8 RGB each; their sizes may differ.
        captions: one per sample, or ``None``.
        cells: for each sample the same number of (h, w, 3) uint8 RGB pictures, possibly none.
        columns: headings above the cells, one for each column.
        title: what is shown, and of which layer.
        footer: how to read it, for example ``"each cell scaled by itself"``.
        bar: the color scale that all cells share.
        cell_labels: a text under every cell, in the shape of ``cells``.
        strengths: how much of a bar under every cell is filled, from 0 to 1; None for no bar.
        first: the heading above the samples.
        smooth: how small cells are enlarged: bilinearly, or pixel by pixel.

    Returns:
        (H, W, 3) uint8 RGB, at most 1,000 pixels wide. Cells are 80 to 224 pixels wide; more than fit beside a sample
        take several lines. Pictures keep their aspect ratio.

    Raises:
        TypeError: if a picture is not uint8.
        ValueError: if a shape or a number of items does not fit.
    """
    _check_sheet(samples, captions, cells, columns, cell_labels)
    count, many = len(cells[0]), len(cells[0]) > _FEW
    beneath = many and not _are_short(captions)
    caption_width = 0 if beneath or not captions else _SHORT if many else _CAPTION
    side = _SIDE if beneath else NARROWEST_CELL + GAP + caption_width
    lines = math.ceil(count / ((WIDTH - side) // (NARROWEST_CELL + GAP))) if many else 1
    per_line = max(1, math.ceil(count / lines))
    if beneath:
        own, width = side, cell_width((WIDTH - side) / per_line - GAP, samples[0].shape[1])
    else:
        own = width = cell_width((WIDTH - caption_width) / (per_line + 1) - GAP, samples[0].shape[1])
    size = text_size(own + caption_width + per_line * (width + GAP))
    heads = _heads(samples, captions, own, size, caption_width)
    heights = [box_height(sample, width) for sample in samples]
    blocks = [
        [cell_block(cell, height, width, smooth=smooth) for cell in row]
        for row, height in zip(cells, heights, strict=True)
    ]
    if strengths and any(share is not None for row in strengths for share in row):
        blocks = [
            [stacked([cell, _strength(share, width)], 2) for cell, share in zip(row, shares, strict=True)]
            for row, shares in zip(blocks, strengths, strict=True)
        ]
    if cell_labels:
        texts = [text for labels in cell_labels for text in labels]
        below = iter(label_blocks(texts, width, size * 4 // 5, MUTED))
        blocks = [[stacked([cell, next(below)]) for cell in row] for row in blocks]
    headings = label_blocks(columns, width, size, DARK) if columns else []

    rows: list[Block] = []
    if lines == 1 and columns:
        corner = padded(label_blocks([first], width, size, DARK)[0], 1, heads[0].shape[1], across=0)
        rows.append(beside([corner, beside(headings, GAP)], GAP))
    block_height = max(block.shape[0] for row in blocks for block in row) + GAP if count else 0
    heading_height = headings[0].shape[0] + GAP if headings and lines > 1 else 0
    shown_lines = max(1, min(lines, _TALLEST_ROW // (block_height + heading_height + 1)))
    row_height = max(max(head.shape[0] for head in heads) + GAP, shown_lines * (block_height + heading_height))
    shown = max(1, min(len(samples), TALLEST // row_height))
    most = min(count, shown_lines * per_line)
    footer = _with_left_out(footer, (shown, len(samples), "samples"), (most, count, "columns"))
    for head, row in zip(heads[:shown], blocks, strict=False):
        chunks = []
        for start in range(0, most, per_line):
            chunks += [headings[start : start + per_line]] if lines > 1 and columns else []
            chunks.append(row[start : start + per_line])
        rows.append(beside([head, grid(chunks, GAP)], GAP, down=0) if count else head)
    return framed(stacked(rows, GAP), title, footer, bar)


def bar_sheet(samples: Sequence[RGB], charts: Sequence[Sequence[Bar]], *, title: str = "", footer: str = "") -> RGB:
    """Draw one row per sample: the sample, then its bars over the rest of the width.

    Args:
        samples: (H, W, 3) uint8 RGB each; their sizes may differ.
        charts: the bars of each sample, from top to bottom.
        title: what is shown.
        footer: how to read it.

    Returns:
        (H, W, 3) uint8 RGB, 1,000 pixels wide.

    Raises:
        TypeError: if a picture is not uint8.
        ValueError: if a shape or a number of items does not fit.
    """
    _check_pictures("samples", samples)
    _check_count("charts", charts, "samples", len(samples))
    size = text_size(WIDTH)
    rows = []
    for sample, bars in zip(samples, charts, strict=True):
        needed = len(bars) * (size * 5 // 4)
        height = max(needed, min(_BESIDE_BARS * sample.shape[0] // sample.shape[1], _BESIDE_BARS))
        cell = cell_block(sample, height, _BESIDE_BARS, smooth=sample.shape[1] > _PIXEL_ART)
        chart = bar_chart(bars, width=WIDTH - _BESIDE_BARS - 2 * GAP, height=needed, size=size)
        rows.append(beside([cell, chart], 2 * GAP))
    return framed(stacked(rows, 2 * GAP), title, footer, None)


def _strength(share: float | None, width: int) -> Block:
    if share is None:
        return blank(_BAR, width)
    bar = np.full((_BAR, width, 3), _TRACK, np.uint8)
    bar[:, : round(width * share)] = DARK
    return bar


def _with_left_out(footer: str, *counts: tuple[int, int, str]) -> str:
    """A footer that says what is not shown: the number shown, of all, and what they are."""
    left_out = [f"{shown} of {total} {things} shown" for shown, total, things in counts if shown < total]
    return " · ".join(filter(None, [footer, *left_out]))


def _are_short(captions: Sequence[Caption] | None) -> bool:
    """Whether no line needs more room than captions have beside samples where there are many cells."""
    size = text_size(WIDTH)
    return all(text_width(line, size) <= _SHORT - size - GAP for caption in captions or () for line in caption.lines)


def _heads(
    samples: Sequence[RGB], captions: Sequence[Caption] | None, width: int, size: int, caption_width: int
) -> list[Block]:
    """The samples with their captions beside them, or beneath them if those have no width of their own."""
    own = cell_width(width, samples[0].shape[1])
    heights = [box_height(sample, own) for sample in samples]
    heads: list[Block] = [
        cell_block(sample, height, own, smooth=sample.shape[1] > _PIXEL_ART)
        for sample, height in zip(samples, heights, strict=True)
    ]
    if not captions:
        return heads
    if not caption_width:
        short = [replace(caption, lines=(" ".join(caption.lines[:2]), *caption.lines[2:])) for caption in captions]
        texts = caption_blocks(short, [4 * size] * len(captions), width, size)
        return [
            padded(stacked([head, text], GAP // 2), 0, width, across=0) for head, text in zip(heads, texts, strict=True)
        ]
    texts = caption_blocks(captions, heights, caption_width - GAP, size)
    return [beside([head, text], GAP) for head, text in zip(heads, texts, strict=True)]


def tiles(
    cells: Sequence[RGB] | NDArray[np.uint8],
    *,
    labels: Sequence[str] = (),
    columns: int | None = None,
    title: str = "",
    footer: str = "",
    bar: ColorBar | None = None,
    bars: Sequence[ColorBar] | None = None,
    strengths: Sequence[float | None] = (),
    smooth: bool = False,
) -> RGB:
    """Draw pictures in one grid, in reading order: filters, the feature maps of one sample, class prototypes.

    Args:
        cells: (K, h, w, 3) uint8 RGB, or K pictures of (h, w, 3).
        labels: a text under every cell; left out where cells are too small for text that can be read.
        columns: cells in a row; ``None`` for a picture that is about square.
        title: what is shown, and of which layer.
        footer: how to read it.
        bar: the color scale that all cells share.
        bars: a color scale for every cell, drawn at its right.
        strengths: how much of a bar under every cell is filled, from 0 to 1; None for no bar.
        smooth: how small cells are enlarged: bilinearly, or pixel by pixel.

    Returns:
        (H, W, 3) uint8 RGB, at most 1,000 pixels wide: many cells become small ones.

    Raises:
        TypeError: if a picture is not uint8.
        ValueError: if a shape or a number of items does not fit.
    """
    _check_tiles(cells, labels, columns, bars)
    footer = _with_left_out(footer, (min(len(cells), _MOST_TILES), len(cells), "cells"))
    cells, labels, bars = cells[:_MOST_TILES], labels[:_MOST_TILES], bars and bars[:_MOST_TILES]
    slot_share = 0.7 if bars else 1.0
    aspect = cells[0].shape[0] / cells[0].shape[1]
    columns = columns or balanced_columns(len(cells), aspect * slot_share)
    slot = WIDTH / columns
    width = cell_width(slot_share * max(slot - GAP, slot / 1.1), cells[0].shape[1], narrowest=1)
    height = box_height(cells[0], width)
    size = text_size(columns * width / slot_share)

    blocks = [cell_block(cell, height, width, smooth=smooth) for cell in cells]
    if bars:
        scales = (vertical_bar(scale, height, min(size, width // 6)) for scale in bars)
        blocks = [beside([block, scale], GAP // 2) for block, scale in zip(blocks, scales, strict=True)]
    if any(share is not None for share in strengths):
        shares = strengths[: len(blocks)]
        blocks = [stacked([block, _strength(share, width)], 2) for block, share in zip(blocks, shares, strict=True)]
    if labels and width >= _NARROWEST_LABELLED:
        below = label_blocks(labels, width, size, DARK)
        blocks = [stacked([block, label]) for block, label in zip(blocks, below, strict=True)]
    rows = [blocks[start : start + columns] for start in range(0, len(blocks), columns)]
    return framed(grid(rows, tile_gap(width)), title, footer, bar)


def _check_sheet(
    samples: Sequence[RGB],
    captions: Sequence[Caption] | None,
    cells: Sequence[Sequence[RGB]],
    columns: Sequence[str],
    cell_labels: Sequence[Sequence[str]] | None,
) -> None:
    _check_pictures("samples", samples)
    if captions:
        _check_count("captions", captions, "samples", len(samples))
    _check_count("cells", cells, "samples", len(samples))
    for row in cells:
        _check_count("every row of cells", row, "columns in the first row", len(cells[0]))
        if len(row):
            _check_pictures("cells", row)
    if columns:
        _check_count("columns", columns, "cells in a row", len(cells[0]))
    if cell_labels:
        _check_count("cell_labels", cell_labels, "samples", len(samples))
        for labels in cell_labels:
            _check_count("every row of cell_labels", labels, "cells in a row", len(cells[0]))


def _check_tiles(
    cells: Sequence[RGB] | NDArray[np.uint8],
    labels: Sequence[str],
    columns: int | None,
    bars: Sequence[ColorBar] | None,
) -> None:
    _check_pictures("cells", cells)
    if columns is not None and columns < 1:
        raise ValueError(f"columns must be at least 1, got {columns}")
    if labels:
        _check_count("labels", labels, "cells", len(cells))
    if bars:
        _check_count("bars", bars, "cells", len(cells))


def _check_count(name: str, items: Sequence[object], per: str, expected: int) -> None:
    if len(items) != expected:
        raise ValueError(f"{name} must have one item for each of the {expected} {per}, got {len(items)}")


def _check_pictures(name: str, pictures: Sequence[RGB] | NDArray[np.uint8]) -> None:
    if len(pictures) == 0:
        raise ValueError(f"{name} must hold at least one picture, got none")
    for picture in pictures:
        if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8:
            received = getattr(picture, "dtype", type(picture).__name__)
            raise TypeError(f"{name} must be uint8 arrays, got {received}")
        if picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
            raise ValueError(f"{name} must have the shape (height, width, 3), got {picture.shape}")
