"""What has to be known of maps of numbers before they are drawn: between which values, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightning_cnnviz.render.text import format_number

Scale: TypeAlias = Literal["each", "shared"]

# Sums of float32 in another order differ by this share of their size: contrast below it is rounding, not structure.
_ROUNDING = 1e-6
_NEGLIGIBLE = 1e-6  # of the strongest map beside it


@dataclass(frozen=True, slots=True)
class Measured:
    """What has to be known of maps before they are colored.

    Attributes:
        limits: (..., 2) float64, the values at the lowest and the highest color; NaN where a map has no finite value.
        defects: what is wrong with a map that has nothing or not everything to show, by its index in the leading
            dimensions: ``"all 0"``, ``"constant 0.31"``, ``"NaN"``, ``"Inf"``, ``"12% NaN"``. Sound maps are absent.
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
    suspect = is_flat(lowest, highest) | ~sound
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


def is_flat(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether what lies between two values is nothing but rounding."""
    with np.errstate(invalid="ignore"):
        return np.asarray(high - low <= _ROUNDING * np.maximum(np.abs(low), np.abs(high)))


def _describe(pixels: NDArray[Any]) -> Iterator[str]:
    values = pixels.astype(np.float64)
    for name, share in (("NaN", np.isnan(values).mean()), ("Inf", np.isinf(values).mean())):
        if share == 1:
            yield name
        elif share > 0:
            yield f"{min(max(share, 0.01), 0.99):.0%} {name}"
    finite = values[np.isfinite(values)]
    if finite.size and is_flat(finite.min(), finite.max()):
        rest = "" if finite.size == values.size else "rest "
        yield f"{rest}constant {format_number(finite.mean())}" if finite.any() else f"{rest}all 0"
