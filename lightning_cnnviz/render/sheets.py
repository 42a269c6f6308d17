"""Pictures with one row per sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lightning_cnnviz.render.bars import ColorBar, strength_bar
from lightning_cnnviz.render.blocks import Block, beside, grid, padded, stacked
from lightning_cnnviz.render.captions import Caption, caption_blocks, caption_lines, fit_beside, label_blocks
from lightning_cnnviz.render.checks import check_count, check_pictures
from lightning_cnnviz.render.geometry import (
    GAP,
    LOWEST_CELL,
    PIXEL_ART,
    TALLEST,
    WIDTH,
    across,
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
_LOWEST_OF_FEW = 36  # pixels, before few cells take a second line
_TALLEST_ROW = 2000


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
        (H, W, 3) uint8 RGB, at most 1,000 pixels wide. Cells are 80 to 224 pixels wide, those of flat pictures wider;
        more than fit beside a sample take several lines, below the sample where none fits beside it. Pictures keep
        their aspect ratio. Captions stand between the sample and its cells, or above both where they would have to be
        cut.

    Raises:
        TypeError: if a picture is not uint8.
        ValueError: if a shape or a number of items does not fit.
    """
    _check_sheet(samples, captions, cells, columns, cell_labels)
    count = len(cells[0])
    plan = _planned(samples, count, 0 if not captions else _CAPTION if count <= _FEW else _SHORT)
    above = bool(captions and count) and (
        plan.below or not fit_beside(captions or (), plan.heights, plan.captions - GAP, plan.size)
    )
    if above:
        plan = _planned(samples, count, 0)
    heads: list[Block] = [
        cell_block(sample, height, plan.width, smooth=sample.shape[1] > PIXEL_ART)
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
    over = caption_lines(captions or (), plan.row_width, plan.size) if above else []

    rows: list[Block] = []
    above_each_line = plan.lines > 1 or plan.below
    if headings and not above_each_line:
        corner = padded(label_blocks([first], plan.width, plan.size, DARK)[0], 1, heads[0].shape[1], across=0)
        rows.append(beside([corner, beside(headings, GAP)], GAP, down=1))
    line_height = max(block.shape[0] for row in blocks for block in row) + GAP if count else 0
    line_height += headings[0].shape[0] + GAP if headings and above_each_line else 0
    shown_lines = max(1, min(plan.lines, _TALLEST_ROW // (line_height + 1)))
    head_height, lines_height = max(head.shape[0] for head in heads) + GAP, shown_lines * line_height
    row_height = head_height + lines_height if plan.below else max(head_height, lines_height)
    row_height += max((line.shape[0] + GAP for line in over), default=0)
    shown = max(1, min(len(samples), TALLEST // row_height))
    most = min(count, shown_lines * plan.per_line)
    footer = with_left_out(footer, (shown, len(samples), "samples"), (most, count, "columns"))
    for index, (head, row) in enumerate(zip(heads[:shown], blocks, strict=False)):
        chunks = []
        for start in range(0, most, plan.per_line):
            chunks += [headings[start : start + plan.per_line]] if headings and above_each_line else []
            chunks.append(row[start : start + plan.per_line])
        drawn = head
        if count:
            cells_drawn = grid(chunks, GAP)
            drawn = stacked([head, cells_drawn], GAP) if plan.below else beside([head, cells_drawn], GAP, down=0)
        rows.append(stacked([over[index], drawn]) if over else drawn)
    return framed(stacked(rows, 2 * GAP if over else GAP), title, footer, bar)


@dataclass(frozen=True, slots=True)
class _Plan:
    """How large the parts of a sheet are.

    Attributes:
        captions: width of those that stand between samples and cells.
        below: whether cells stand below their sample, which takes the whole line.
        lines: that the cells of a sample take.
        per_line: how many cells stand in each of them.
        width: of a sample and of a cell.
        heights: of each sample and its cells.
    """

    captions: int
    below: bool
    lines: int
    per_line: int
    width: int
    heights: list[int]

    @property
    def row_width(self) -> int:
        """Of a sample with its cells."""
        return self.captions + self._across * (self.width + GAP) - GAP

    @property
    def size(self) -> int:
        """Of the type."""
        return text_size(self.row_width + GAP)

    @property
    def _across(self) -> int:
        return self.per_line + (not self.below)


def _planned(samples: Sequence[RGB], count: int, captions: int) -> _Plan:
    room, lowest = WIDTH - captions, _LOWEST_OF_FEW if count <= _FEW else LOWEST_CELL
    fitting = across(samples[0], count + 1, room, lowest=lowest)
    below = fitting == 1 and count > 0
    lines = max(1, math.ceil(count / (fitting - 1 or 1)))
    per_line = max(1, math.ceil(count / lines))
    width = cell_width(room / (per_line + (not below)) - GAP, samples[0])
    return _Plan(captions, below, lines, per_line, width, [box_height(sample, width) for sample in samples])


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
