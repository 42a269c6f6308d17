"""Sheets of samples with bars: how probable the classes are, or how large some values."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

from lightning_cnnviz.output.artifacts import PLAIN, RGB, Style
from lightning_cnnviz.render.blocks import Block, beside, stacked
from lightning_cnnviz.render.charts import Bar, bar_chart, bars_height
from lightning_cnnviz.render.figures import Row, titled
from lightning_cnnviz.render.geometry import (
    GAP,
    PIXEL_ART,
    TALLEST,
    WIDTH,
    box_height,
    cell_block,
    framed,
    text_size,
    width_at_least,
    with_left_out,
)
from lightning_cnnviz.render.text import using_font

_BESIDE, _TALLEST, _LOWEST = 200, 400, 36  # pixels that a sample beside bars is wide, high, and both at least


@dataclass(frozen=True, eq=False)
class BarSheet:
    """One row per sample: the sample, then its bars over the rest of the width; below samples that are very flat.

    Attributes:
        rows: the samples; captions are not drawn, for the bars say the same.
        charts: for each sample its bars, from top to bottom.
        title: what is shown.
        footer: how to read it.
    """

    rows: tuple[Row, ...]
    charts: tuple[tuple[Bar, ...], ...]
    title: str = ""
    footer: str = ""

    summary = None

    def draw(self, style: Style = PLAIN) -> RGB:
        """The picture, (H, W, 3) uint8 RGB, 1,000 pixels wide."""
        with using_font(style.font):
            rows: list[Block] = []
            height, shown = 0, 0
            for row, bars in zip(self.rows, self.charts, strict=True):
                drawn = self._row(row.picture, bars)
                height += drawn.shape[0] + 2 * GAP
                if rows and height > TALLEST:
                    break
                rows.append(drawn)
                shown += 1
            footer = with_left_out(self.footer, (shown, len(self.rows), "samples"))
            return framed(stacked(rows, 2 * GAP), titled(self.title, style), footer, None)

    def _row(self, sample: RGB, bars: tuple[Bar, ...]) -> Block:
        size, among, smooth = text_size(WIDTH), list(chain(*self.charts)), sample.shape[1] > PIXEL_ART
        if width_at_least(sample, _LOWEST) <= _BESIDE:
            room = WIDTH - _BESIDE - 2 * GAP
            needed = bars_height(bars, room, size, among)
            aspect = sample.shape[0] / sample.shape[1]
            height = max(needed, round(min(_BESIDE * aspect, max(_BESIDE, min(_LOWEST * aspect, _TALLEST)))))
            chart = bar_chart(bars, width=room, height=needed, size=size, among=among)
            return beside([cell_block(sample, height, _BESIDE, smooth=smooth), chart], 2 * GAP)
        chart = bar_chart(bars, width=WIDTH, height=bars_height(bars, WIDTH, size, among), size=size, among=among)
        return stacked([cell_block(sample, box_height(sample, WIDTH), WIDTH, smooth=smooth), chart], GAP)
