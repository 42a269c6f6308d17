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
from lightning_cnnviz.render.geometry import GAP, WIDEST_CELL, box_height, cell_block, cell_width, framed, text_size
from lightning_cnnviz.render.text import DARK, using_font

_ACROSS = 3
_PIXEL_ART = 64  # samples up to this width are enlarged pixel by pixel


@dataclass(frozen=True, eq=False)
class Card:
    """The sample beside the bars of its answers, and below them its cells, three in a line.

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
        width = cell_width(WIDEST_CELL, self.row.picture.shape[1])
        height, size = box_height(self.row.picture, width), text_size(_ACROSS * (width + GAP))
        with using_font(style.font):
            blocks: list[Block] = [self._cell(self.row.marked, height, width)]
            if self.bars:
                # More bars than fit beside a flat picture take the room that they need.
                room = (_ACROSS - 1) * width + GAP
                needed = max(height, bars_height(self.bars, room, size))
                chart = bar_chart(self.bars, width=room, height=needed, size=size)
                blocks.append(chart)
            cells = list(
                chain.from_iterable(column.cells([self.row.picture], [self.row.box])[0] for column in self.columns)
            )
            below = label_blocks(list(self._labels()), width, size, DARK)
            drawn = [
                stacked([self._cell(cell, height, width), label]) for cell, label in zip(cells, below, strict=True)
            ]
            lines = [drawn[start : start + _ACROSS] for start in range(0, len(drawn), _ACROSS)]
            body = [beside(blocks, GAP), *([grid(lines, GAP)] if lines else [])]
            return framed(stacked(body, GAP), titled(self.title, style), self.footer, None)

    @property
    def summary(self) -> str | None:
        """One sentence if some of the maps have nothing to show."""
        return next(filter(None, (column.summary() for column in self.columns)), None)

    def _cell(self, picture: RGB, height: int, width: int) -> Block:
        return cell_block(picture, height, width, smooth=self.row.picture.shape[1] > _PIXEL_ART)

    def _labels(self) -> Iterator[str]:
        for column in self.columns:
            for heading, label in zip(column.column_headings, column.cell_labels()[0], strict=True):
                yield ", ".join(filter(None, [heading, label]))
