"""Maps of numbers to colored pixels: scaling, coloring, blending."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightning_cnnviz.render.colormaps import lookup_table
from lightning_cnnviz.render.resampling import resize
from lightning_cnnviz.render.text import format_number

if TYPE_CHECKING:
    from lightning_cnnviz.output.artifacts import RGB

Scale: TypeAlias = Literal["each", "shared"]

_MAGENTA = (255, 0, 255)
_BLACK = (0, 0, 0)
# Sums of float32 in another order differ by this share of their size: contrast below it is rounding, not structure.
_ROUNDING = 1e-6
_CACHED_PIXELS = 2**16
_NEGLIGIBLE = 1e-6  # of the strongest map beside it


@dataclass(frozen=True, slots=True)
class DrawnMaps:
    """Colored maps, with what is needed to read them.

    Attributes:
        cells: (..., h, w, 3) uint8 RGB.
        limits: (..., 2) float64, the values at the lowest and the highest color; NaN where a map has no finite value.
        defects: what is wrong with a map that has nothing or not everything to show, by its index in the leading
            dimensions: ``"all 0"``, ``"constant 0.31"``, ``"NaN"``, ``"Inf"``, ``"12% NaN"``. Sound maps are absent.
    """

    cells: NDArray[np.uint8]
    limits: NDArray[np.float64]
    defects: dict[tuple[int, ...], str]


@dataclass(frozen=True, slots=True)
class Measured:
    """What has to be known of maps before they are colored.

    Attributes:
        limits: as of :class:`DrawnMaps`.
        defects: as of :class:`DrawnMaps`.
        finite: which pixels are, None if all are.
    """

    limits: NDArray[np.float64]
    defects: dict[tuple[int, ...], str]
    finite: NDArray[np.bool_] | None


def measure_maps(
    values: ArrayLike,
    *,
    scale: Scale = "each",
    symmetric: bool = False,
    limits: tuple[float, float] | None = None,
    strongest: float | None = None,
) -> Measured:
    """Find the limits between which maps are colored, and what is wrong with them.

    Arguments are those of `draw_maps`, and ``strongest``: the largest magnitude that the maps are beside. One that
    stays below a millionth of it has a defect, and so much room that it is drawn flat.
    """
    if scale not in get_args(Scale):
        raise ValueError(f"scale must be 'each' or 'shared', got {scale!r}")
    maps = _as_maps(values)
    lowest, highest = _ends(maps, maps)
    sound = np.isfinite(lowest) & np.isfinite(highest)  # NaN and infinity come through as an end
    finite = None if sound.all() else np.isfinite(maps)
    if finite is not None:
        lowest, highest = _ends(np.where(finite, maps, np.inf), np.where(finite, maps, -np.inf))
    found = _limits(lowest, highest, scale, symmetric)
    if limits is not None:
        found[...] = limits
    suspect = _is_flat(lowest, highest) | ~sound
    faint: dict[tuple[int, ...], str] = {}
    if strongest:
        largest = np.maximum(-lowest, highest)
        negligible = ~suspect & (largest <= _NEGLIGIBLE * strongest)
        found[negligible] = (-strongest, strongest) if symmetric else (0, strongest)
        faint = {
            index: f"≈ 0 ({format_number(largest[index])})" for index in map(tuple, np.argwhere(negligible).tolist())
        }
    defects = faint | {index: ", ".join(_describe(maps[index])) for index in map(tuple, np.argwhere(suspect).tolist())}
    return Measured(found, defects, finite)


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


def _as_maps(values: ArrayLike) -> NDArray[Any]:
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"values must be real numbers or booleans, got dtype {array.dtype}")
    if array.ndim < 2 or 0 in array.shape[-2:]:
        raise ValueError(f"values must be maps of shape (..., h, w) with at least one pixel, got {array.shape}")
    return array


def _ends(for_lowest: NDArray[Any], for_highest: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lowest, highest = for_lowest.min(axis=(-2, -1)), for_highest.max(axis=(-2, -1))
    return lowest.astype(np.float64), highest.astype(np.float64)


def _limits(
    lowest: NDArray[np.float64], highest: NDArray[np.float64], scale: Scale, symmetric: bool
) -> NDArray[np.float64]:
    if scale == "shared":
        lowest = np.full_like(lowest, lowest.min(initial=np.inf))
        highest = np.full_like(highest, highest.max(initial=-np.inf))
    if symmetric:
        highest = np.maximum(-lowest, highest)
        lowest = -highest
    limits = np.stack([lowest, highest], axis=-1)
    limits[~np.isfinite(limits)] = np.nan
    return limits


def _levels(
    maps: NDArray[Any], finite: NDArray[np.bool_] | None, limits: NDArray[np.float64], symmetric: bool
) -> NDArray[np.uint8]:
    """Row of the lookup table for every pixel; any row where the pixel is not finite, None if all are."""
    stack = maps.reshape(-1, *maps.shape[-2:])
    low, high = limits.reshape(-1, 1, 1, 2)[..., 0], limits.reshape(-1, 1, 1, 2)[..., 1]
    flat = _is_flat(low, high)
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


def _is_flat(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        return np.asarray(high - low <= _ROUNDING * np.maximum(np.abs(low), np.abs(high)))


def _mark(cells: NDArray[np.uint8], bad: NDArray[np.bool_]) -> None:
    """Make pixels magenta, chequered with black where they cover an area."""
    height, width = bad.shape[-2:]
    side = max(1, min(height, width) // 8)
    row, column = np.indices((height, width)) // side
    cells[bad] = _MAGENTA
    # A lone pixel stays magenta: black alone may be a color of the map.
    cells[bad & np.roll(bad, side, axis=-1) & ((row + column) % 2 == 1)] = _BLACK


def _describe(pixels: NDArray[Any]) -> Iterator[str]:
    values = pixels.astype(np.float64)
    for name, share in (("NaN", np.isnan(values).mean()), ("Inf", np.isinf(values).mean())):
        if share == 1:
            yield name
        elif share > 0:
            yield f"{min(max(share, 0.01), 0.99):.0%} {name}"
    finite = values[np.isfinite(values)]
    if finite.size and _is_flat(finite.min(), finite.max()):
        rest = "" if finite.size == values.size else "rest "
        yield f"{rest}constant {format_number(finite.mean())}" if finite.any() else f"{rest}all 0"


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
