"""Sheets of samples with bars: how probable the classes are, or how large some values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain

from lightning_cnnviz.output.artifacts import PLAIN, RGB, Style
from lightning_cnnviz.render.blocks import Block, beside, stacked
from lightning_cnnviz.render.charts import Bar, bar_chart, bars_height, fit_whole
from lightning_cnnviz.render.figures import Row, titled
from lightning_cnnviz.render.geometry import (
    BETWEEN,
    GAP,
    HIGH,
    NARROWEST_CELL,
    PIXEL_ART,
    TALLEST,
    WIDTH,
    box_height,
    cell_block,
    framed,
    text_size,
    width_abreast,
    width_at_least,
    with_left_out,
)
from lightning_cnnviz.render.text import using_font

_BESIDE, _TALLEST, _LOWEST = 200, 400, 36  # pixels that a sample beside bars is wide, high, and both at least
_MOST_ABREAST = 3


@dataclass(frozen=True, eq=False)
class BarSheet:
    """One row per sample: the sample, then its bars over the rest of the width; below samples that are very flat.

    Where rows below each other would be more than 3,000 pixels high, two or three lie abreast if their names fit.

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
        """The picture, (H, W, 3) uint8 RGB, up to 1,000 pixels wide."""
        with using_font(style.font):
            abreast = self._abreast()
            height, lines = 0, list[Block]()
            for start in range(0, len(self.rows), abreast):
                some = slice(start, start + abreast)
                drawn = map(partial(self._row, abreast=abreast), self.rows[some], self.charts[some])
                lines.append(beside(list(drawn), BETWEEN, down=0))
                height += lines[-1].shape[0] + 2 * GAP
                if height > TALLEST and len(lines) > 1:
                    del lines[-1]
                    break
            footer = with_left_out(self.footer, (min(len(lines) * abreast, len(self.rows)), len(self.rows), "samples"))
            return framed(stacked(lines, 2 * GAP), titled(self.title, style), footer, None)

    def _abreast(self) -> int:
        """How many samples lie beside each other: as few as make the sheet low, of what can be read."""
        best = 1
        for count in range(2, _MOST_ABREAST + 1):
            if self._height(best) <= HIGH or not self._can_be_read(count):
                break
            best = min(best, count, key=self._height)
        return best

    def _can_be_read(self, abreast: int) -> bool:
        """Whether neither samples nor bars would be too narrow."""
        wide = all(width_at_least(row.picture, _LOWEST) <= _beside(abreast) for row in self.rows)
        return wide and fit_whole(self._bars, _room(abreast), text_size(WIDTH))

    def _height(self, abreast: int) -> int:
        heights = [
            self._row_height(row.picture, bars, abreast) for row, bars in zip(self.rows, self.charts, strict=True)
        ]
        return sum(max(heights[start : start + abreast]) + 2 * GAP for start in range(0, len(heights), abreast))

    def _row_height(self, sample: RGB, bars: tuple[Bar, ...], abreast: int) -> int:
        """Of a sample with its bars beside it, which need as much as their type does."""
        width = _beside(abreast)
        aspect: float = sample.shape[0] / sample.shape[1]
        needed = bars_height(bars, _room(abreast), text_size(WIDTH), self._bars)
        return max(needed, round(min(width * aspect, max(width, min(_LOWEST * aspect, _TALLEST)))))

    def _row(self, row: Row, bars: tuple[Bar, ...], abreast: int) -> Block:
        size, sample, width = text_size(WIDTH), row.picture, _beside(abreast)
        smooth = sample.shape[1] > PIXEL_ART
        if width_at_least(sample, _LOWEST) <= width:
            needed = bars_height(bars, _room(abreast), size, self._bars)
            chart = bar_chart(bars, width=_room(abreast), height=needed, size=size, among=self._bars)
            return beside(
                [cell_block(sample, self._row_height(sample, bars, abreast), width, smooth=smooth), chart], 2 * GAP
            )
        needed = bars_height(bars, WIDTH, size, self._bars)
        chart = bar_chart(bars, width=WIDTH, height=needed, size=size, among=self._bars)
        return stacked([cell_block(sample, box_height(sample, WIDTH), WIDTH, smooth=smooth), chart], GAP)

    @cached_property
    def _bars(self) -> list[Bar]:
        return list(chain(*self.charts))


def _beside(abreast: int) -> int:
    """The width of a sample beside its bars, where so many samples lie abreast."""
    return max(NARROWEST_CELL, _BESIDE // abreast)


def _room(abreast: int) -> int:
    """The width of the bars."""
    return width_abreast(abreast) - _beside(abreast) - 2 * GAP
