"""Pictures with one row per sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from lightning_cnnviz.render.bars import ColorBar, strength_bar
from lightning_cnnviz.render.blocks import Block, beside, grid, padded, stacked
from lightning_cnnviz.render.captions import Caption, caption_blocks, caption_line, fit_beside, label_blocks
from lightning_cnnviz.render.charts import Bar, bar_chart, bars_height
from lightning_cnnviz.render.checks import check_count, check_pictures
from lightning_cnnviz.render.geometry import (
    GAP,
    NARROWEST_CELL,
    TALLEST,
    WIDTH,
    box_height,
    cell_block,
    cell_width,
    framed,
    text_size,
    with_left_out,
)
from lightning_cnnviz.render.text import DARK, MUTED

if TYPE_CHECKING:
    from lightning_cnnviz.output.artifacts import RGB

_CAPTION = 208
_SHORT = 144  # of captions that stand beside samples even where there are many cells
_FEW = 4  # cells beside which there is room for captions
_LOWEST_CELL, _WIDEST_STRIP = 48, 160
_BESIDE_BARS = 200
_TALLEST_ROW = 2000
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
        take several lines. Pictures keep their aspect ratio. Captions stand between the sample and its cells, or
        above both where they would have to be cut.

    Raises:
        TypeError: if a picture is not uint8.
        ValueError: if a shape or a number of items does not fit.
    """
    _check_sheet(samples, captions, cells, columns, cell_labels)
    count = len(cells[0])
    plan = _planned(samples, count, 0 if not captions else _CAPTION if count <= _FEW else _SHORT)
    above = bool(captions and count) and not fit_beside(captions or (), plan.heights, plan.captions - GAP, plan.size)
    if above:
        plan = _planned(samples, count, 0)
    heads: list[Block] = [
        cell_block(sample, height, plan.width, smooth=sample.shape[1] > _PIXEL_ART)
        for sample, height in zip(samples, plan.heights, strict=True)
    ]
    if captions and not above:
        texts = caption_blocks(captions, plan.heights, plan.captions - GAP, plan.size)
        heads = [beside([head, text], GAP) for head, text in zip(heads, texts, strict=True)]
    blocks = _cells(cells, plan, strengths, smooth=smooth)
    if cell_labels:
        written = [text for labels in cell_labels for text in labels]
        below = iter(label_blocks(written, plan.width, plan.size, MUTED, most=3))
        blocks = [[stacked([cell, next(below)]) for cell in row] for row in blocks]
    headings = label_blocks(columns, plan.width, plan.size, DARK, down=1) if columns else []
    over = [caption_line(caption, plan.row_width, plan.size) for caption in captions or ()] if above else []

    rows: list[Block] = []
    if plan.lines == 1 and columns:
        corner = padded(label_blocks([first], plan.width, plan.size, DARK)[0], 1, heads[0].shape[1], across=0)
        rows.append(beside([corner, beside(headings, GAP)], GAP, down=1))
    block_height = max(block.shape[0] for row in blocks for block in row) + GAP if count else 0
    heading_height = headings[0].shape[0] + GAP if headings and plan.lines > 1 else 0
    shown_lines = max(1, min(plan.lines, _TALLEST_ROW // (block_height + heading_height + 1)))
    row_height = max(max(head.shape[0] for head in heads) + GAP, shown_lines * (block_height + heading_height))
    row_height += max((line.shape[0] + GAP for line in over), default=0)
    shown = max(1, min(len(samples), TALLEST // row_height))
    most = min(count, shown_lines * plan.per_line)
    footer = with_left_out(footer, (shown, len(samples), "samples"), (most, count, "columns"))
    for index, (head, row) in enumerate(zip(heads[:shown], blocks, strict=False)):
        chunks = []
        for start in range(0, most, plan.per_line):
            chunks += [headings[start : start + plan.per_line]] if plan.lines > 1 and columns else []
            chunks.append(row[start : start + plan.per_line])
        drawn = beside([head, grid(chunks, GAP)], GAP, down=0) if count else head
        rows.append(stacked([over[index], drawn]) if over else drawn)
    return framed(stacked(rows, 2 * GAP if over else GAP), title, footer, bar)


@dataclass(frozen=True, slots=True)
class _Plan:
    """How large the parts of a sheet are.

    Attributes:
        captions: width of those that stand between samples and cells.
        lines: that the cells of a sample take.
        per_line: how many cells stand in each of them.
        width: of a sample and of a cell.
        heights: of each sample and its cells.
        size: of the type.
    """

    captions: int
    lines: int
    per_line: int
    width: int
    heights: list[int]
    size: int

    @property
    def row_width(self) -> int:
        """Of a sample with its cells."""
        return self.captions + (self.per_line + 1) * (self.width + GAP) - GAP


def _planned(samples: Sequence[RGB], count: int, captions: int) -> _Plan:
    room = WIDTH - captions
    # Cells of a strip are wider: at the width of others nobody would see what is in them.
    narrowest = min(_WIDEST_STRIP, max(NARROWEST_CELL, _LOWEST_CELL * samples[0].shape[1] // samples[0].shape[0]))
    lines = math.ceil(count / (room // (narrowest + GAP) - 1)) if count > _FEW else 1
    per_line = max(1, math.ceil(count / lines))
    width = cell_width(room / (per_line + 1) - GAP, samples[0].shape[1])
    heights = [box_height(sample, width) for sample in samples]
    return _Plan(captions, lines, per_line, width, heights, text_size(captions + (per_line + 1) * (width + GAP)))


def _cells(
    cells: Sequence[Sequence[RGB]], plan: _Plan, strengths: Sequence[Sequence[float | None]] | None, *, smooth: bool
) -> list[list[Block]]:
    """The cells of each row, with a bar below each one if any has a strength."""
    blocks = [
        [cell_block(cell, height, plan.width, smooth=smooth) for cell in row]
        for row, height in zip(cells, plan.heights, strict=True)
    ]
    if not strengths or all(share is None for row in strengths for share in row):
        return blocks
    return [
        [stacked([cell, strength_bar(share, plan.width)], 2) for cell, share in zip(row, shares, strict=True)]
        for row, shares in zip(blocks, strengths, strict=True)
    ]


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
    check_pictures("samples", samples)
    check_count("charts", charts, "samples", len(samples))
    size, room, among = text_size(WIDTH), WIDTH - _BESIDE_BARS - 2 * GAP, list(chain(*charts))
    rows = []
    for sample, bars in zip(samples, charts, strict=True):
        needed = bars_height(bars, room, size, among)
        height = max(needed, min(_BESIDE_BARS * sample.shape[0] // sample.shape[1], _BESIDE_BARS))
        cell = cell_block(sample, height, _BESIDE_BARS, smooth=sample.shape[1] > _PIXEL_ART)
        chart = bar_chart(bars, width=room, height=needed, size=size, among=among)
        rows.append(beside([cell, chart], 2 * GAP))
    return framed(stacked(rows, 2 * GAP), title, footer, None)


def _check_sheet(
    samples: Sequence[RGB],
    captions: Sequence[Caption] | None,
    cells: Sequence[Sequence[RGB]],
    columns: Sequence[str],
    cell_labels: Sequence[Sequence[str]] | None,
) -> None:
    check_pictures("samples", samples)
    if captions:
        check_count("captions", captions, "samples", len(samples))
    check_count("cells", cells, "samples", len(samples))
    for row in cells:
        check_count("every row of cells", row, "columns in the first row", len(cells[0]))
        if len(row):
            check_pictures("cells", row)
    if columns:
        check_count("columns", columns, "cells in a row", len(cells[0]))
    if cell_labels:
        check_count("cell_labels", cell_labels, "samples", len(samples))
        for labels in cell_labels:
            check_count("every row of cell_labels", labels, "cells in a row", len(cells[0]))
