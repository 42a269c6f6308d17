"""Maps of numbers beside or over samples, as data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lightning_cnnviz.render.colormaps import lookup_table
from lightning_cnnviz.render.maps import color_maps, draw_enlarged, overlay
from lightning_cnnviz.render.masks import without_color
from lightning_cnnviz.render.measuring import Measured, Scale, measure_maps
from lightning_cnnviz.render.placing import Box, lay_over, map_size, rescaled
from lightning_cnnviz.render.resampling import resize, within
from lightning_cnnviz.render.text import format_number

if TYPE_CHECKING:
    from lightning_cnnviz.output.artifacts import RGB

Kind: TypeAlias = Literal["activation", "class_activation", "signed", "intensity"]
"""What the numbers of a map are: a layer's output, evidence for a class, numbers with a sign, light."""

Laying: TypeAlias = Literal["alone", "over", "both"]
"""Whether a map stands alone, lies over its sample, or both beside each other."""

_VALUE = re.compile(r" \([^)]*\)|(?<=constant) \S+")
LARGEST_SIDE = 448  # a map is laid over its picture at no more pixels than a sheet can show


@dataclass(frozen=True, eq=False)
class Maps:
    """Maps of numbers: for each sample the same K of them.

    Attributes:
        values: (N, K, h, w) float32, as they were measured: not normalised.
        headings: K texts, one above each column.
        kind: what the numbers are; ``"signed"`` ones are colored about zero.
        colormap: a name that `lookup_table` accepts.
        scale: ``"each"`` map by itself or all on one ``"shared"`` scale.
        limits: the values at the lowest and the highest color, instead of those that ``scale`` finds.
        laying: a map that lies over its sample is enlarged to it.
        alpha: the weight of a map over its sample, from 0 to 1.
        smooth: whether a map is enlarged bilinearly, or pixel by pixel.
        grey: whether the sample below a map loses its colors, which would be mistaken for those of the map.
        labels: for each sample K texts below its maps; what is wrong with a map follows.
        strongest: the largest magnitude to be shown, of all maps and epochs; below each map a bar then says how strong
            it is beside that, and maps below a millionth of it are drawn as nothing. None: no bars.
        is_moment: whether the headings say when it was, and are therefore others at every look.

    Raises:
        TypeError: the values are no real numbers.
        ValueError: a shape does not fit, or ``colormap`` or ``scale`` is unknown.
    """

    values: NDArray[np.float32]
    headings: tuple[str, ...]
    kind: Kind = "activation"
    colormap: str = "viridis"
    scale: Scale = "each"
    limits: tuple[float, float] | None = None
    laying: Laying = "alone"
    alpha: float = 0.6
    smooth: bool = False
    grey: bool = False
    labels: tuple[tuple[str, ...], ...] = ()
    strongest: float | None = None
    is_moment: bool = False

    def __post_init__(self) -> None:
        if self.values.ndim != 4:
            raise ValueError(f"values must have the shape (N, K, h, w), got {self.values.shape}")
        if len(self.headings) != self.values.shape[1]:
            raise ValueError(f"headings must be {self.values.shape[1]} texts, one for each map, got {self.headings}")
        lookup_table(self.colormap)  # a name that nobody knows is the view's fault, not that of who draws

    @cached_property
    def measured(self) -> Measured:
        """The limits (N, K, 2) of the colors, and what is wrong with maps, by (sample, column)."""
        signed = self.kind == "signed"
        return measure_maps(
            self.values, scale=self.scale, symmetric=signed, limits=self.limits, strongest=self.strongest
        )

    @property
    def column_headings(self) -> tuple[str, ...]:
        """One text for each column of cells."""
        if self.laying != "both":
            return self.headings
        return tuple(text for heading in self.headings for text in (heading, "overlay"))

    def cells(self, samples: Sequence[RGB], boxes: Sequence[Box | None] = ()) -> list[list[RGB]]:
        """A row of pictures for each sample; maps that lie over it lie over its box where there is one."""
        colored = color_maps(self.values, self.measured, colormap=self.colormap, symmetric=self.kind == "signed")
        if self.laying == "alone":
            return [list(row) for row in colored]
        pictures = [within(without_color(sample) if self.grey else sample, LARGEST_SIDE) for sample in samples]
        placed = [
            None if box is None else rescaled(box, sample, picture)
            for box, sample, picture in zip(boxes or (None,) * len(samples), samples, pictures, strict=True)
        ]
        return [self._laid_over(row, picture, colored[row], placed[row]) for row, picture in enumerate(pictures)]

    def cell_labels(self) -> list[list[str]]:
        """A text below each cell, for each sample; what is wrong with a map follows its label."""
        rows = []
        for row in range(len(self.values)):
            given = self.labels[row] if self.labels else ("",) * len(self.headings)
            texts = [
                " · ".join(filter(None, [text, self.measured.defects.get((row, column))]))
                for column, text in enumerate(given)
            ]
            rows.append([text for each in texts for text in ((each, "") if self.laying == "both" else (each,))])
        return rows

    def strengths(self) -> list[list[float | None]]:
        """For each cell how strong its map is beside the strongest one, from 0 to 1; None for no bar."""
        if not self.strongest:
            return [[None] * len(self.column_headings) for _ in self.values]
        with np.errstate(invalid="ignore"):
            shares = np.abs(self.values).max(axis=(2, 3)) / self.strongest
        shares = np.nan_to_num(shares, nan=0.0).clip(0, 1)
        return [
            list(row) for row in np.repeat(shares, len(self.column_headings) // len(self.headings), axis=1).tolist()
        ]

    def summary(self) -> str | None:
        """One sentence if some of the maps have nothing to show."""
        defects, (count, columns, height, width) = self.measured.defects, self.values.shape
        if height * width == 1:  # what has one pixel is constant
            defects = {index: defect for index, defect in defects.items() if not defect.startswith("constant")}
        return defects_summary(defects, count * columns)

    def scale_note(self) -> str:
        """What the colors mean, with numbers, and the bars below."""
        bars = f", bars: its strength, {format_number(self.strongest)} when full" if self.strongest else ""
        return scale_note(self.measured.limits, self.scale) + bars

    def _laid_over(self, row: int, picture: RGB, colored: NDArray[np.uint8], box: Box | None) -> list[RGB]:
        size = (picture.shape[0], picture.shape[1]) if box is None else map_size(box)
        cells: list[RGB] = []
        for column, cell in enumerate(colored):
            sound = (row, column) not in self.measured.defects
            low, high = self.measured.limits[row, column].tolist()
            values = self.values[row, column]
            if self.smooth and sound:
                heat = draw_enlarged(values, size, colormap=self.colormap, limits=(low, high))
            else:
                heat = resize(cell, size, smooth=False)
            opacity = None
            if sound:  # what is low should not tint what lies below it
                opacity = np.abs(values) / high if self.kind == "signed" else (values - low) / (high - low)
                opacity = resize(opacity.astype(np.float32).clip(0, 1), size, smooth=self.smooth)
            elif not values.any():
                opacity = np.zeros(size, np.float32)
            if box is None:
                over = overlay(picture, heat, self.alpha, opacity)
            else:
                heat, over = lay_over(picture, heat, box, self.alpha, opacity)
            cells += [heat, over] if self.laying == "both" else [over]
        return cells


def scale_note(limits: NDArray[np.float64], scale: Scale) -> str:
    """What the colors between limits (..., 2) mean, with numbers."""
    highest = limits[..., 1]
    highest = highest[np.isfinite(highest)]
    if not highest.size:
        return "no finite values"
    low, high = format_number(float(highest.min())), format_number(float(highest.max()))
    if scale == "shared":
        return f"one scale for all, maximum {high}"
    return "each map scaled by itself" + (f", maximum {high}" if low == high else f", maxima {low} to {high}")


def defects_summary(defects: dict[tuple[int, ...], str], total: int) -> str | None:
    """One sentence if something is wrong with some of all maps."""
    if not defects:
        return None
    kinds = sorted({_VALUE.sub("", defect) for defect in defects.values()})
    return f"{len(defects)} of {total} maps are {', '.join(kinds[:3])}"
