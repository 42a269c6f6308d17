"""Classes of places in colors over their picture, with the borders of the true ones."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lightning_cnnviz.output.artifacts import RGB
from lightning_cnnviz.render.placing import Box, lay_over, map_size, rescaled
from lightning_cnnviz.render.resampling import resize, within
from lightning_cnnviz.render.text import Color

_COLORS: tuple[Color, ...] = (
    *((84, 84, 84), (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0)),
    *((204, 121, 167), (40, 40, 250), (110, 50, 20), (127, 255, 212), (30, 0, 130), (250, 250, 190)),
)
_GOLDEN = 0.618034  # of a turn of the color circle: no few steps come close to each other
_SMALLEST, _LARGEST = 192, 448  # sides of a picture on which borders are drawn


@cache
def class_color(index: int) -> Color:
    """The color of a class, the same in every picture."""
    if index < len(_COLORS):
        return _COLORS[index]
    shade = 0.95 if index % 2 else 0.7
    red, green, blue = colorsys.hsv_to_rgb(index * _GOLDEN % 1, 0.75, shade)
    return round(255 * red), round(255 * green), round(255 * blue)


@dataclass(frozen=True, eq=False)
class Masks:
    """For each sample the class of each place, in the color of the class over the sample, which loses its colors.

    Attributes:
        values: (N, h, w) classes; negative ones get no color.
        heading: above the column.
        outlined: (N, H, W) classes whose regions are outlined in their colors, but for negative ones. None: no lines.
        labels: for each sample a text below its cell.
        alpha: the weight of the colors over the sample, from 0 to 1.

    Raises:
        ValueError: a shape does not fit.
    """

    values: NDArray[np.integer]
    heading: str = ""
    outlined: NDArray[np.integer] | None = None
    labels: tuple[str, ...] = ()
    alpha: float = 0.65

    smooth = False

    def __post_init__(self) -> None:
        for name, masks in (("values", self.values), ("outlined", self.outlined)):
            if masks is not None and (masks.ndim != 3 or len(masks) != len(self.values)):
                raise ValueError(f"{name} must have the shape (N, h, w), got {masks.shape}")

    @property
    def column_headings(self) -> tuple[str, ...]:
        """One text for the column of cells."""
        return (self.heading,)

    def cells(self, samples: Sequence[RGB], boxes: Sequence[Box | None] = ()) -> list[list[RGB]]:
        """A row of one picture for each sample; masks lie over its box where there is one."""
        return [
            [self._cell(row, picture, box)]
            for row, (picture, box) in enumerate(zip(samples, boxes or (None,) * len(samples), strict=True))
        ]

    def cell_labels(self) -> list[list[str]]:
        """A text below each cell."""
        return [[label] for label in self.labels or ("",) * len(self.values)]

    def strengths(self) -> list[list[float | None]]:
        """No bars."""
        return [[None] for _ in self.values]

    def summary(self) -> str | None:
        """Nothing is wrong with classes."""
        return None

    def _cell(self, row: int, picture: RGB, box: Box | None) -> RGB:
        fitted = _of_readable_size(without_color(picture))
        whole = (0.0, 0.0, float(picture.shape[1]), float(picture.shape[0]))
        place = rescaled(whole if box is None else box, picture, fitted)
        colors, weights = painted_classes(_enlarged(self.values[row], map_size(place)))
        over = lay_over(fitted, colors, place, self.alpha, weights)[1]
        if self.outlined is None:
            return over
        colors, weights = painted_borders(_enlarged(self.outlined[row], map_size(place)))
        return lay_over(over, colors, place, 1.0, weights)[1]


def painted_classes(classes: NDArray[np.integer]) -> tuple[RGB, NDArray[np.float32]]:
    """Classes (h, w) in their colors, and where there is a color: 1 or 0."""
    colors = np.zeros((*classes.shape, 3), np.uint8)
    for index in np.unique(classes):
        if index >= 0:
            colors[classes == index] = class_color(int(index))
    return colors, (classes >= 0).astype(np.float32)


def painted_borders(classes: NDArray[np.integer]) -> tuple[RGB, NDArray[np.float32]]:
    """The borders of regions (h, w) in the colors of their classes, and where they are: 1 or 0.

    They lie outside, so that thin regions stay to be seen, with a black line around them; between two classes inside.
    """
    grown = classes
    for _ in range(max(1, round(max(classes.shape) / 110))):
        grown = _grown(grown)
    lines = (grown >= 0) & (classes < 0)
    for axis in (0, 1):
        for step in (-1, 1):
            others = _neighbors(classes, step, axis)
            lines |= (others != classes) & (others >= 0) & (classes >= 0)
    colors, _ = painted_classes(grown)
    around = (_grown(grown) >= 0) & (grown < 0)
    return colors, (lines | around).astype(np.float32)


def _grown(classes: NDArray[np.integer]) -> NDArray[np.integer]:
    """Regions that have become larger by one place where there was no class."""
    beside = [_neighbors(classes, step, axis) for axis in (0, 1) for step in (-1, 1)]
    largest: NDArray[np.integer] = np.where(classes < 0, np.max(beside, axis=0), classes)
    return largest


def _neighbors(classes: NDArray[np.integer], step: int, axis: int) -> NDArray[np.integer]:
    """The class of another place beside each one, at the edge its own."""
    places = np.arange(classes.shape[axis]) + step
    return classes.take(places.clip(0, classes.shape[axis] - 1), axis)


def without_color(picture: RGB) -> RGB:
    """The picture in grey, whose colors would be mistaken for those of what lies over it."""
    total = picture[..., 0].astype(np.uint16) + picture[..., 1] + picture[..., 2]
    return np.repeat(((total + 1) // 3).astype(np.uint8)[..., None], 3, axis=2)


def _enlarged(classes: NDArray[np.integer], size: tuple[int, int]) -> NDArray[np.integer]:
    return resize(classes.astype(np.float32), size, smooth=False).astype(np.int64)


def _of_readable_size(picture: RGB) -> RGB:
    side = max(picture.shape[:2])
    if side > _LARGEST:
        return within(picture, _LARGEST)
    factor = max(1, _SMALLEST // side)
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)
