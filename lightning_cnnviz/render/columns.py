"""What stands beside a sample in a sheet, as data: maps, signed images, finished pictures, bars, masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lightning_cnnviz.render.charts import Bar, bar_chart
from lightning_cnnviz.render.kernels import color_rgb_kernels, measure_rgb_kernels
from lightning_cnnviz.render.map_columns import Maps, defects_summary, scale_note
from lightning_cnnviz.render.masks import Masks
from lightning_cnnviz.render.measuring import Measured, Scale
from lightning_cnnviz.render.placing import Box

if TYPE_CHECKING:
    from lightning_cnnviz.output.artifacts import RGB


@dataclass(frozen=True, eq=False)
class SignedImages:
    """Images of numbers with a sign, in the colors of the input; zero is mid-grey where both signs are drawn.

    Attributes:
        values: (N, C, h, w) float32, C is 3 (red, green and blue share their limits) or 1.
        heading: above the column.
        part: both signs, or one of them, for which zero is black.
        scale: ``"each"`` image by itself or all on one ``"shared"`` scale.
        labels: for each image a text below it.
        limits: the values at the lowest and the highest color, instead of those that ``scale`` finds.

    Raises:
        ValueError: a shape does not fit.
    """

    values: NDArray[np.float32]
    heading: str = ""
    part: Literal["both", "positive", "negative"] = "both"
    scale: Scale = "each"
    labels: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None

    smooth = False

    def __post_init__(self) -> None:
        if self.values.ndim != 4 or self.values.shape[1] not in (1, 3):
            raise ValueError(f"values must have the shape (N, 1 or 3, h, w), got {self.values.shape}")

    @cached_property
    def measured(self) -> Measured:
        """The limits (N, 2) of the colors, and what is wrong with images, by (sample,)."""
        symmetric = self.part == "both"
        return measure_rgb_kernels(self._drawn, scale=self.scale, symmetric=symmetric, limits=self.limits)

    @property
    def _drawn(self) -> NDArray[np.float32]:
        parts = {"both": self.values, "positive": self.values.clip(min=0), "negative": (-self.values).clip(min=0)}
        return parts[self.part]

    @property
    def column_headings(self) -> tuple[str, ...]:
        """One text for the column of cells."""
        return (self.heading,)

    def cells(self, samples: Sequence[RGB], boxes: Sequence[Box | None] = ()) -> list[list[RGB]]:
        """A row of one picture for each sample."""
        return [[cell] for cell in color_rgb_kernels(self._drawn, self.measured, symmetric=self.part == "both")]

    def cell_labels(self) -> list[list[str]]:
        """A text below each cell; what is wrong with both signs comes before it."""
        labels = self.labels or ("",) * len(self.values)
        defects = self.measured.defects if self.part == "both" else {}
        return [[defects.get((row,), label)] for row, label in enumerate(labels)]

    def strengths(self) -> list[list[float | None]]:
        """No bars."""
        return [[None] for _ in self.values]

    def summary(self) -> str | None:
        """One sentence if some of the images have nothing to show."""
        return defects_summary(self.measured.defects, len(self.values)) if self.part == "both" else None

    def scale_note(self) -> str:
        """What the colors mean, with numbers."""
        return scale_note(self.measured.limits, self.scale)


@dataclass(frozen=True, eq=False)
class Images:
    """Finished pictures, for each sample one.

    Attributes:
        pictures: (H, W, 3) uint8 RGB each.
        heading: above the column.
        labels: for each picture a text below it.
        smooth: whether small pictures are enlarged bilinearly, or pixel by pixel.
    """

    pictures: tuple[RGB, ...]
    heading: str = ""
    labels: tuple[str, ...] = ()
    smooth: bool = False

    @property
    def column_headings(self) -> tuple[str, ...]:
        """One text for the column of cells."""
        return (self.heading,)

    def cells(self, samples: Sequence[RGB], boxes: Sequence[Box | None] = ()) -> list[list[RGB]]:
        """A row of one picture for each sample."""
        return [[picture] for picture in self.pictures]

    def cell_labels(self) -> list[list[str]]:
        """A text below each cell."""
        return [[label] for label in self.labels or ("",) * len(self.pictures)]

    def strengths(self) -> list[list[float | None]]:
        """No bars."""
        return [[None] for _ in self.pictures]

    def summary(self) -> str | None:
        """Nothing is wrong with a finished picture."""
        return None


@dataclass(frozen=True)
class Bars:
    """For each sample horizontal bars below each other.

    Attributes:
        charts: for each sample the same number of bars.
        heading: above the column.
    """

    charts: tuple[tuple[Bar, ...], ...]
    heading: str = ""

    smooth = False

    @property
    def column_headings(self) -> tuple[str, ...]:
        """One text for the column of cells."""
        return (self.heading,)

    def cells(self, samples: Sequence[RGB], boxes: Sequence[Box | None] = ()) -> list[list[RGB]]:
        """A row of one picture for each sample."""
        return [[bar_chart(bars)] for bars in self.charts]

    def cell_labels(self) -> list[list[str]]:
        """No text below the cells: every bar has its own."""
        return [[""] for _ in self.charts]

    def strengths(self) -> list[list[float | None]]:
        """No bars."""
        return [[None] for _ in self.charts]

    def summary(self) -> str | None:
        """Nothing is wrong with a chart."""
        return None


Column: TypeAlias = Maps | SignedImages | Images | Bars | Masks
