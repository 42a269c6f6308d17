"""How the rows of a sheet are laid out: how large its parts are, where captions stand, how many rows lie abreast."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from lightning_cnnviz.render.bars import strength_bar
from lightning_cnnviz.render.blocks import Block, beside, grid, padded, stacked
from lightning_cnnviz.render.captions import Caption, caption_blocks, caption_lines, fit_beside, label_blocks
from lightning_cnnviz.render.geometry import (
    BETWEEN,
    GAP,
    HIGH,
    LOWEST_CELL,
    PIXEL_ART,
    TALLEST,
    across,
    box_height,
    cell_block,
    cell_width,
    is_white_at_edges,
    text_size,
    width_abreast,
)
from lightning_cnnviz.render.text import DARK, MUTED, text_width

if TYPE_CHECKING:
    from lightning_cnnviz.output.artifacts import RGB

_CHANNEL = "ch "
_CAPTION = 208
_SHORT = 144  # of captions that stand beside samples even where there are many cells
_FEW = 4  # cells beside which there is room for captions
_LOWEST_OF_FEW = 36  # pixels, before few cells take a second line
_TALLEST_ROW = 2000
_MOST_ABREAST = 4


@dataclass(frozen=True, slots=True)
class Parts:
    """What a sheet shows, see :func:`~lightning_cnnviz.render.sheets.sheet`."""

    samples: Sequence[RGB]
    captions: Sequence[Caption]
    cells: Sequence[Sequence[RGB]]
    columns: Sequence[str]
    cell_labels: Sequence[Sequence[str]]
    strengths: Sequence[Sequence[float | None]]
    first: str
    smooth: bool

    def laid_out(self) -> Laid:
        """The rows below each other, or of two and more abreast so many that the sheet is not too high to be read."""
        laid = self._abreast(1)
        for count in range(2, _MOST_ABREAST + 1):
            if laid.height <= HIGH:
                break
            if across(self.samples[0], self._count + 1, width_abreast(count)) <= self._count:
                break
            laid = min(laid, self._abreast(count), key=lambda one: one.height)
        return laid

    @property
    def _count(self) -> int:
        return len(self.cells[0])

    def _abreast(self, abreast: int) -> Laid:
        count, samples, captions = self._count, self.samples, self.captions
        plan = _planned(samples, count, 0 if not captions else _CAPTION if count <= _FEW else _SHORT, abreast)
        above = bool(captions and count) and (
            plan.below or abreast > 1 or not fit_beside(captions, plan.heights, plan.captions - GAP, plan.size)
        )
        if above:
            plan = _planned(samples, count, 0, abreast)
        heads: list[Block] = [
            cell_block(sample, height, plan.width, smooth=sample.shape[1] > PIXEL_ART)
            for sample, height in zip(samples, plan.heights, strict=True)
        ]
        if captions and not above:
            texts = caption_blocks(captions, plan.heights, plan.captions - GAP, plan.size)
            heads = [beside([head, text], GAP) for head, text in zip(heads, texts, strict=True)]
        blocks = self._cells(plan)
        above_each_line = plan.lines > 1 or plan.below
        first, columns = self._headings(plan.width, plan.size, whole=above_each_line)
        headings = label_blocks(columns, plan.width, plan.size, DARK, down=1) if columns else []
        over = caption_lines(captions, plan.row_width, plan.size) if above else []

        head: Block | None = None
        if headings and not above_each_line:
            corner = padded(label_blocks([first], plan.width, plan.size, DARK)[0], 1, heads[0].shape[1], across=0)
            head = beside([corner, beside(headings, GAP)], GAP, down=1)
        line_height = max(block.shape[0] for row in blocks for block in row) + GAP if count else 0
        line_height += headings[0].shape[0] + GAP if headings and above_each_line else 0
        shown_lines = max(1, min(plan.lines, _TALLEST_ROW // (line_height + 1)))
        most = min(count, shown_lines * plan.per_line)
        rows: list[Block] = []
        for index, (sample, row) in enumerate(zip(heads, blocks, strict=True)):
            chunks = []
            for start in range(0, most, plan.per_line):
                chunks += [headings[start : start + plan.per_line]] if headings and above_each_line else []
                chunks.append(row[start : start + plan.per_line])
            drawn = sample
            if count:
                cells = grid(chunks, GAP)
                drawn = stacked([sample, cells], GAP) if plan.below else beside([sample, cells], GAP, down=0)
            rows.append(stacked([over[index], drawn]) if over else drawn)
        return Laid(rows, head, abreast, 2 * GAP if over else GAP, most)

    def _headings(self, width: int, size: int, *, whole: bool) -> tuple[str, Sequence[str]]:
        """What stands above the samples and above the cells: "ch" once where "ch 108" would be broken."""
        broken = any(text_width(text, size) > width for text in self.columns)
        if whole or self.first or not broken or not all(text.startswith(_CHANNEL) for text in self.columns):
            return self.first, self.columns
        return _CHANNEL.strip(), [text.removeprefix(_CHANNEL) for text in self.columns]

    def _cells(self, plan: _Plan) -> list[list[Block]]:
        """The cells of each row, with a bar below each one if any has a strength, and a text if any has a label."""
        edges = [any(map(is_white_at_edges, column)) for column in zip(*self.cells, strict=True)]
        blocks = [
            [
                cell_block(cell, height, plan.width, smooth=self.smooth, edge=edge)
                for cell, edge in zip(row, edges, strict=True)
            ]
            for row, height in zip(self.cells, plan.heights, strict=True)
        ]
        if any(share is not None for row in self.strengths for share in row):
            blocks = [
                [stacked([cell, strength_bar(share, plan.width)], 2) for cell, share in zip(row, shares, strict=True)]
                for row, shares in zip(blocks, self.strengths, strict=True)
            ]
        if self.cell_labels:
            written = [text for labels in self.cell_labels for text in labels]
            below = [
                label_blocks(labels, plan.width, plan.size, MUTED, most=3, among=written) if any(labels) else []
                for labels in self.cell_labels
            ]
            blocks = [
                [stacked([cell, text]) for cell, text in zip(row, texts, strict=True)] if texts else row
                for row, texts in zip(blocks, below, strict=True)
            ]
        return blocks


@dataclass(frozen=True, slots=True)
class Laid:
    """Rows that have been laid out.

    Attributes:
        rows: one for each sample.
        head: what stands above the first ones.
        abreast: how many rows lie beside each other.
        gap: between those below each other.
        columns: how many cells of each sample are shown.
    """

    rows: list[Block]
    head: Block | None
    abreast: int
    gap: int
    columns: int

    @property
    def height(self) -> int:
        """Of all rows below each other, so many abreast."""
        return self._ends[-1]

    @property
    def shown(self) -> int:
        """How many rows fit into the highest picture."""
        lines = bisect_right(self._ends, TALLEST)
        return min(len(self.rows), max(1, lines) * self.abreast)

    @property
    def _ends(self) -> list[int]:
        """Where the lines of rows end."""
        lines = [self.rows[start : start + self.abreast] for start in range(0, len(self.rows), self.abreast)]
        return list(accumulate(max(row.shape[0] for row in line) + self.gap for line in lines))

    def body(self) -> Block:
        """The rows that fit, in reading order."""
        rows = self.rows[: self.shown]
        if self.abreast == 1:
            return stacked([*([self.head] if self.head else []), *rows], self.gap)
        width = max(row.shape[1] for row in rows)
        wide = [padded(row, 0, width, across=0) for row in rows]
        lines = [wide[start : start + self.abreast] for start in range(0, len(wide), self.abreast)]
        head = [padded(self.head, 0, width, across=0)] * len(lines[0]) if self.head else []
        body = stacked([beside(line, BETWEEN, down=0) for line in lines], self.gap)
        return stacked([beside(head, BETWEEN), body], GAP) if head else body


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
        abreast: how many samples lie beside each other.
    """

    captions: int
    below: bool
    lines: int
    per_line: int
    width: int
    heights: list[int]
    abreast: int

    @property
    def row_width(self) -> int:
        """Of a sample with its cells."""
        return self.captions + self._across * (self.width + GAP) - GAP

    @property
    def size(self) -> int:
        """Of the type."""
        return text_size(self.abreast * (self.row_width + BETWEEN) - BETWEEN + GAP)

    @property
    def _across(self) -> int:
        return self.per_line + (not self.below)


def _planned(samples: Sequence[RGB], count: int, captions: int, abreast: int) -> _Plan:
    room, lowest = width_abreast(abreast) - captions, _LOWEST_OF_FEW if count <= _FEW else LOWEST_CELL
    fitting = across(samples[0], count + 1, room, lowest=lowest)
    below = fitting == 1 and count > 0
    lines = max(1, math.ceil(count / (fitting - 1 or 1)))
    per_line = max(1, math.ceil(count / lines))
    width = cell_width(room / (per_line + (not below)) - GAP, samples[0])
    heights = [box_height(sample, width) for sample in samples]
    return _Plan(captions, below, lines, per_line, width, heights, abreast)
