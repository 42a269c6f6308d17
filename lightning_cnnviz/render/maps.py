"""Maps of numbers to colored pixels: coloring, enlarging, blending."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightning_cnnviz.render.colormaps import lookup_table
from lightning_cnnviz.render.measuring import Measured, Scale, is_flat, measure_maps
from lightning_cnnviz.render.resampling import resize

if TYPE_CHECKING:
    from lightning_cnnviz.output.artifacts import RGB

_MAGENTA = (255, 0, 255)
_BLACK = (0, 0, 0)
_CACHED_PIXELS = 2**16


@dataclass(frozen=True, slots=True)
class DrawnMaps:
    """Colored maps, with what is needed to read them.

    Attributes:
        cells: (..., h, w, 3) uint8 RGB.
        limits: as of :class:`~lightning_cnnviz.render.measuring.Measured`.
        defects: as of :class:`~lightning_cnnviz.render.measuring.Measured`.
    """

    cells: NDArray[np.uint8]
    limits: NDArray[np.float64]
    defects: dict[tuple[int, ...], str]


def draw_maps(
    values: ArrayLike,
    *,
    colormap: str = "viridis",
    scale: Scale = "each",
    symmetric: bool = False,
    limits: tuple[float, float] | None = None,
) -> DrawnMaps:
    """Color maps of numbers.

    A constant map is drawn flat, and so is one whose contrast is only float rounding. Values that are not finite are
    magenta, chequered with black where they cover an area, and have no influence on the colors of the others.

    Args:
        values: (..., h, w) real numbers or booleans.
        colormap: a name that `lookup_table` accepts.
        scale: ``"each"`` gives every map the whole range of colors, which shows structure; ``"shared"`` uses one
            range for all maps, which shows magnitude.
        symmetric: for signed maps: the limits are -m and m, so that zero is the middle color.
        limits: the values at the lowest and the highest color, instead of those that ``scale`` finds.

    Returns:
        The colored maps with their limits and defects. The input is never changed.

    Raises:
        TypeError: if ``values`` are not real numbers.
        ValueError: if a map has no pixels, or ``scale`` or ``colormap`` is not a known name.
    """
    measured = measure_maps(values, scale=scale, symmetric=symmetric, limits=limits)
    cells = color_maps(np.asarray(values), measured, colormap=colormap, symmetric=symmetric)
    return DrawnMaps(cells, measured.limits, measured.defects)


def color_maps(maps: NDArray[Any], measured: Measured, *, colormap: str, symmetric: bool = False) -> NDArray[np.uint8]:
    """Color maps that have been measured, (..., h, w, 3) uint8 RGB."""
    cells = _colored(_levels(maps, measured.finite, measured.limits, symmetric), lookup_table(colormap))
    if measured.finite is not None:
        _mark(cells, ~measured.finite)
    return cells


def draw_enlarged(
    values: NDArray[np.float32], size: tuple[int, int], *, colormap: str, limits: tuple[float, float]
) -> RGB:
    """Color one map at another size, interpolating the numbers: between two colors lie others that mean nothing.

    The same as to enlarge the map and then draw it, but the few numbers are scaled and the many only rounded.

    Args:
        values: (h, w) finite numbers within ``limits``.
        size: (height, width) in pixels.
        colormap: a name that `lookup_table` accepts.
        limits: the values at the lowest and the highest color, which differ.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    low, high = limits
    levels = (values.astype(np.float64) - low) / (high - low) * 255
    enlarged = resize(levels.astype(np.float32), size, smooth=True)
    enlarged += 0.5
    return _colored(enlarged.astype(np.uint8), lookup_table(colormap))


def _levels(
    maps: NDArray[Any], finite: NDArray[np.bool_] | None, limits: NDArray[np.float64], symmetric: bool
) -> NDArray[np.uint8]:
    """Row of the lookup table for every pixel; any row where the pixel is not finite, None if all are."""
    stack = maps.reshape(-1, *maps.shape[-2:])
    low, high = limits.reshape(-1, 1, 1, 2)[..., 0], limits.reshape(-1, 1, 1, 2)[..., 1]
    flat = is_flat(low, high)
    span = np.where(flat, 1.0, high - low)
    unit_if_flat = np.where((high == 0) & (not symmetric), 0.0, 0.5)
    bad = None if finite is None else ~finite.reshape(stack.shape)
    levels = np.empty(stack.shape, np.uint8)
    # A few maps at a time and in place, so that these numbers, the largest of all, stay in the processor's cache.
    at_once = max(1, _CACHED_PIXELS // (maps.shape[-2] * maps.shape[-1]))
    for block in (slice(start, start + at_once) for start in range(0, len(stack), at_once)):
        with np.errstate(invalid="ignore"):
            unit = stack[block] - low[block]  # in float64, whatever the maps are
            unit /= span[block]
        if flat[block].any():
            unit = np.where(flat[block], unit_if_flat[block], unit)
        if bad is not None:
            unit[bad[block]] = 0
        unit.clip(0, 1, out=unit)
        unit *= 255
        unit += 0.5
        levels[block] = unit
    return levels.reshape(maps.shape)


def _colored(levels: NDArray[np.uint8], table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """``table[levels]``, ten times as fast."""
    import cv2  # noqa: PLC0415 - only those who draw wait for it

    if not levels.size:
        return np.empty((*levels.shape, 3), np.uint8)
    colors = cv2.applyColorMap(levels.reshape(-1, levels.shape[-1]), table[:, None])
    return np.asarray(colors, np.uint8).reshape(*levels.shape, 3)


def _mark(cells: NDArray[np.uint8], bad: NDArray[np.bool_]) -> None:
    """Make pixels magenta, chequered with black where they cover an area."""
    height, width = bad.shape[-2:]
    side = max(1, min(height, width) // 8)
    row, column = np.indices((height, width)) // side
    cells[bad] = _MAGENTA
    # A lone pixel stays magenta: black alone may be a color of the map.
    cells[bad & np.roll(bad, side, axis=-1) & ((row + column) % 2 == 1)] = _BLACK


def overlay(image: RGB, heat: RGB, alpha: float = 0.5, weights: NDArray[np.float32] | None = None) -> RGB:
    """Lay a colored map over an image: ``image * (1 - alpha) + heat * alpha``, rounded.

    Args:
        image: (H, W, 3) uint8 RGB.
        heat: (H, W, 3) uint8 RGB.
        alpha: weight of ``heat``, from 0 (the image alone) to 1.
        weights: (H, W) from 0 to 1, by which ``alpha`` is multiplied at each pixel; None for 1 everywhere.

    Returns:
        (H, W, 3) uint8 RGB, a new array.

    Raises:
        ValueError: if the shapes differ or ``alpha`` is outside 0 to 1.
    """
    if image.shape != heat.shape:
        raise ValueError(f"heat must have the shape of image {image.shape}, got {heat.shape}")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie between 0 and 1, got {alpha}")
    import cv2  # noqa: PLC0415 - only those who draw wait for it

    if weights is None:
        return np.asarray(cv2.addWeighted(image, 1 - alpha, heat, alpha, 0), np.uint8)
    of_heat = np.multiply(weights, np.float32(alpha), dtype=np.float32)
    return np.asarray(cv2.blendLinear(image, heat, 1 - of_heat, of_heat), np.uint8)
