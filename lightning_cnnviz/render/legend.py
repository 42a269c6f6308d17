"""Sheets of masks with a legend: which color stands for which class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lightning_cnnviz.output.artifacts import PLAIN, RGB, Style
from lightning_cnnviz.render.blocks import Block, beside, blank, painted, stacked
from lightning_cnnviz.render.figures import Sheet
from lightning_cnnviz.render.geometry import GAP, MARGIN, text_size
from lightning_cnnviz.render.masks import class_color
from lightning_cnnviz.render.text import DARK, MUTED, Color, line_block, text_block, using_font

_MOST_NAMES = 24


@dataclass(frozen=True, eq=False)
class MaskSheet(Sheet):
    """One row per sample, and below all of them what the colors of the classes mean.

    Attributes:
        legend: name and index of each class.
    """

    legend: tuple[tuple[str, int], ...] = ()

    def draw(self, style: Style = PLAIN) -> RGB:
        """The picture, (H, W, 3) uint8 RGB."""
        above = super().draw(style)
        if not self.legend:
            return above
        with using_font(style.font):
            below = legend([(name, class_color(index)) for name, index in self.legend], above.shape[1] - 2 * MARGIN)
        framed = beside([blank(1, MARGIN), stacked([below, blank(MARGIN, 1)])], down=0)
        return painted(stacked([above, framed]))


def legend(entries: Sequence[tuple[str, Color]], width: int) -> Block:
    """Names beside their colors, in as many lines as they take."""
    size = text_size(width)
    blocks: list[Block] = []
    for name, color in entries[:_MOST_NAMES]:
        swatch = np.full((size, size, 3), color, np.uint8)
        text = line_block(name, width - 2 * size, size, DARK)
        blocks.append(beside([swatch, blank(1, size // 3), text, blank(1, size)]))
    if len(entries) > _MOST_NAMES:
        blocks.append(text_block(f"and {len(entries) - _MOST_NAMES} more", size, MUTED))
    lines: list[list[Block]] = [[]]
    for block in blocks:
        if lines[-1] and sum(other.shape[1] for other in lines[-1]) + block.shape[1] > width:
            lines.append([])
        lines[-1].append(block)
    return stacked([beside(line) for line in lines], GAP // 2)
