"""What a view shows of a whole run, as data: film strips and tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightning_cnnviz.output.artifacts import PLAIN, RGB, Style
from lightning_cnnviz.render.columns import Images, SignedImages
from lightning_cnnviz.render.figures import Row, titled
from lightning_cnnviz.render.film import Still, film_strip
from lightning_cnnviz.render.map_columns import Maps
from lightning_cnnviz.render.table import heat_table
from lightning_cnnviz.render.text import using_font


@dataclass(frozen=True, eq=False)
class Frame:
    """One moment of a film strip.

    Attributes:
        heading: when it was.
        maps: one cell for each sample, K is 1.
        lines: for each sample what stands below its map; the same number of lines in all frames.
        correct: for each sample whether the answer was right; None where that is not known.
    """

    heading: str
    maps: Maps | SignedImages | Images
    lines: tuple[tuple[str, ...], ...]
    correct: tuple[bool | None, ...]


@dataclass(frozen=True, eq=False)
class FilmStrip:
    """One row per sample: the sample with its name, then its maps from the earliest to the latest.

    Attributes:
        rows: the samples; of a caption the first line is drawn.
        frames: from the earliest to the latest.
        title: what is shown.
        footer: how to read it.
    """

    rows: tuple[Row, ...]
    frames: tuple[Frame, ...]
    title: str = ""
    footer: str = ""

    summary = None

    def draw(self, style: Style = PLAIN) -> RGB:
        """The picture, (H, W, 3) uint8 RGB."""
        samples = [row.picture for row in self.rows]
        strips: list[list[Still]] = [[] for _ in samples]
        for frame in self.frames:
            for strip, (cell,), lines, correct in zip(
                strips, frame.maps.cells(samples), frame.lines, frame.correct, strict=True
            ):
                strip.append(Still(cell, lines, correct))
        with using_font(style.font):
            return film_strip(
                samples,
                ["" if row.caption is None else row.caption.lines[0] for row in self.rows],
                strips,
                [frame.heading for frame in self.frames],
                title=titled(self.title, style),
                footer=self.footer,
            )


@dataclass(frozen=True, eq=False)
class HeatTable:
    """A table of numbers as colored cells.

    Attributes:
        values: (R, C) numbers; NaN is left white.
        rows: the name of each row.
        columns: the heading of each column.
        limits: the numbers at the lowest and the highest color; what lies beyond has these colors, too.
        logarithmic: whether equal steps of color are equal factors; what is below the lowest number looks like it.
        colormap: a name that `lookup_table` accepts.
        label: what the numbers are.
        title: what is shown.
        footer: how to read it.
    """

    values: NDArray[np.float64]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    limits: tuple[float, float]
    logarithmic: bool = False
    colormap: str = "viridis"
    label: str = ""
    title: str = ""
    footer: str = ""

    summary = None

    def draw(self, style: Style = PLAIN) -> RGB:
        """The picture, (H, W, 3) uint8 RGB."""
        with using_font(style.font):
            return heat_table(
                self.values,
                self.rows,
                self.columns,
                limits=self.limits,
                logarithmic=self.logarithmic,
                colormap=self.colormap,
                label=self.label,
                title=titled(self.title, style),
                footer=self.footer,
            )
