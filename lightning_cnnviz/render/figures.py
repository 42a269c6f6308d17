"""What a view shows, as data that a picture is drawn from in one place: sheets and tiles.

All of it is numpy and text that nobody changes any more, so that a writer's thread may draw it, a page in a browser may
take the numbers themselves, and a picture that nobody wants is never drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

import numpy as np

from lightning_cnnviz.output.artifacts import PLAIN, RGB, Style
from lightning_cnnviz.render.bars import ColorBar
from lightning_cnnviz.render.captions import Caption
from lightning_cnnviz.render.columns import Column, Images, SignedImages
from lightning_cnnviz.render.map_columns import Maps
from lightning_cnnviz.render.placing import Box, outlined
from lightning_cnnviz.render.sheets import sheet
from lightning_cnnviz.render.text import using_font
from lightning_cnnviz.render.tiling import tiles

_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class Row:
    """A sample as it stands at the beginning of a row.

    Attributes:
        picture: (H, W, 3) uint8 RGB.
        caption: what is said beside it; None for nothing.
        index: which of the samples it is, counted from 0; -1 for none of them.
        box: where in the picture lies what the model saw; None: all of it.
    """

    picture: RGB
    caption: Caption | None
    index: int
    box: Box | None = None

    @property
    def marked(self) -> RGB:
        """The picture with a frame around what the model saw, where that is not all of it."""
        return self.picture if self.box is None else outlined(self.picture, self.box)


@dataclass(frozen=True, eq=False)
class Sheet:
    """One row per sample: the sample, its caption, then its cells.

    Attributes:
        rows: the samples.
        columns: what stands beside them, each with one row of cells for every sample.
        title: what is shown, and of which layer.
        footer: how to read it.
        bar: the color scale of the maps, if one bar holds for all.
        first: the heading above the samples.
    """

    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    title: str = ""
    footer: str = ""
    bar: ColorBar | None = None
    first: str = ""

    def draw(self, style: Style = PLAIN) -> RGB:
        """The picture, (H, W, 3) uint8 RGB."""
        samples = [row.picture for row in self.rows]
        captions = [row.caption for row in self.rows if row.caption is not None]
        headings = list(chain.from_iterable(column.column_headings for column in self.columns))
        labels = _side_by_side(column.cell_labels() for column in self.columns)
        with using_font(style.font):
            return sheet(
                [row.marked for row in self.rows],
                captions if len(captions) == len(samples) else None,
                _side_by_side(column.cells(samples, [row.box for row in self.rows]) for column in self.columns),
                columns=headings if any(headings) else (),
                title=titled(self.title, style),
                footer=self.footer,
                bar=self.bar,
                first=self.first,
                strengths=_side_by_side(column.strengths() for column in self.columns),
                cell_labels=labels if any(chain.from_iterable(labels)) else None,
                smooth=any(column.smooth for column in self.columns),
            )

    @property
    def summary(self) -> str | None:
        """One sentence if some of the maps have nothing to show."""
        return next(filter(None, (column.summary() for column in self.columns)), None)


@dataclass(frozen=True, eq=False)
class Tiles:
    """Pictures in one grid, in reading order: filters, the feature maps of one sample, class prototypes.

    Attributes:
        cells: what is drawn, for all samples and columns.
        labels: a text under every cell.
        title: what is shown, and of which layer.
        footer: how to read it.
        has_bar: whether there is a color bar for all cells, which then have one scale.
        bar_label: what the values of the bar are.
        smooth: whether small cells are enlarged bilinearly, or pixel by pixel.
        sample: what all cells are of, with its caption; it stands above them.
        numbered: whether numbers of rows and columns stand for the labels, which only say what is wrong with a cell.
    """

    cells: Maps | SignedImages | Images
    labels: tuple[str, ...] = ()
    title: str = ""
    footer: str = ""
    has_bar: bool = False
    bar_label: str = ""
    smooth: bool = False
    sample: Row | None = None
    numbered: bool = False

    def draw(self, style: Style = PLAIN) -> RGB:
        """The picture, (H, W, 3) uint8 RGB."""
        with using_font(style.font):
            return tiles(
                list(chain.from_iterable(self.cells.cells(()))),
                labels=self._labels(),
                title=titled(self.title, style),
                footer=" · ".join(filter(None, [self.footer, self.summary])),
                bar=self._bar(),
                strengths=list(chain.from_iterable(self.cells.strengths())),
                smooth=self.smooth,
                sample=None if self.sample is None else self.sample.marked,
                caption=None if self.sample is None else self.sample.caption,
                numbered=self.numbered,
            )

    @property
    def summary(self) -> str | None:
        """One sentence if some of the maps have nothing to show."""
        return self.cells.summary()

    def _labels(self) -> Sequence[str]:
        """The texts below the cells, and what is wrong with a cell that is dead or not finite."""
        if not self.labels or isinstance(self.cells, Images):
            return self.labels
        measured = self.cells.measured
        wrong = [measured.defects.get(index, "") for index in np.ndindex(*measured.limits.shape[:-1])]
        return [
            " · ".join(filter(None, ["" if self.numbered else label, "" if defect.startswith("constant") else defect]))
            for label, defect in zip(self.labels, wrong, strict=True)
        ]

    def _bar(self) -> ColorBar | None:
        if not self.has_bar or not isinstance(self.cells, Maps):
            return None
        low, high = np.nan_to_num(self.cells.measured.limits).reshape(-1, 2)[0].tolist()
        return ColorBar(self.cells.colormap, low, high, label=self.bar_label)


def titled(title: str, style: Style) -> str:
    """A title with the moment that a picture is of."""
    moment = style.moment.replace(" ", "\u00a0")  # not to be broken
    return " · ".join(filter(None, [title, moment]))


def _side_by_side(columns: Iterator[list[list[_T]]]) -> list[list[_T]]:
    return [list(chain.from_iterable(row)) for row in zip(*columns, strict=True)]
