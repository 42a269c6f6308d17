"""One sample by itself: what the model answers, and all that is to be seen of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from lightning_cnnviz.output.artifacts import PLAIN, RGB, Style
from lightning_cnnviz.render.blocks import Block, beside, grid, stacked
from lightning_cnnviz.render.captions import label_blocks
from lightning_cnnviz.render.charts import Bar, bar_chart, bars_height
from lightning_cnnviz.render.columns import Column
from lightning_cnnviz.render.figures import Row, titled
from lightning_cnnviz.render.geometry import (
    GAP,
    PIXEL_ART,
    WIDTH,
    across,
    box_height,
    cell_block,
    cell_width,
    framed,
    text_size,
)
from lightning_cnnviz.render.text import DARK, using_font

_ACROSS = 3


@dataclass(frozen=True, eq=False)
class Card:
    """The sample beside the bars of its answers, and below them its cells, three in a line or fewer flat ones.

    Attributes:
        row: the sample; its caption is not drawn.
        bars: from top to bottom; none for a model that answers nothing of the kind.
        columns: what stands below, for one sample each.
        title: which sample it is.
        footer: how to read it.
    """

    row: Row
    bars: tuple[Bar, ...]
    columns: tuple[Column, ...]
    title: str = ""
    footer: str = ""

    def draw(self, style: Style = PLAIN) -> RGB:
        """The picture, (H, W, 3) uint8 RGB."""
        picture = self.row.picture
        per_line = across(picture, _ACROSS)
        width = cell_width(WIDTH // per_line - GAP, picture)
        height, size = box_height(picture, width), text_size(per_line * (width + GAP))
        with using_font(style.font):
            sample = self._cell(self.row.marked, height, width)
            body = [sample if not self.bars else self._with_bars(sample, per_line, size)]
            cells = list(chain.from_iterable(column.cells([picture], [self.row.box])[0] for column in self.columns))
            below = label_blocks(list(self._labels()), width, size, DARK)
            drawn = [
                stacked([self._cell(cell, height, width), label]) for cell, label in zip(cells, below, strict=True)
            ]
            lines = [drawn[start : start + per_line] for start in range(0, len(drawn), per_line)]
            body += [grid(lines, GAP)] if lines else []
            return framed(stacked(body, GAP), titled(self.title, style), self.footer, None)

    def _with_bars(self, sample: Block, per_line: int, size: int) -> Block:
        """The bars take the rest of the line, or one of their own; more than fit there what height they need."""
        height, width = sample.shape[:2]
        room = (per_line - 1) * (width + GAP) - GAP if per_line > 1 else width
        needed = bars_height(self.bars, room, size)
        if per_line == 1:
            return stacked([sample, bar_chart(self.bars, width=room, height=needed, size=size)], GAP)
        return beside([sample, bar_chart(self.bars, width=room, height=max(height, needed), size=size)], GAP)

    @property
    def summary(self) -> str | None:
        """One sentence if some of the maps have nothing to show."""
        return next(filter(None, (column.summary() for column in self.columns)), None)

    def _cell(self, picture: RGB, height: int, width: int) -> Block:
        return cell_block(picture, height, width, smooth=self.row.picture.shape[1] > PIXEL_ART)

    def _labels(self) -> Iterator[str]:
        for column in self.columns:
            for heading, label in zip(column.column_headings, column.cell_labels()[0], strict=True):
                yield ", ".join(filter(None, [heading, label]))
