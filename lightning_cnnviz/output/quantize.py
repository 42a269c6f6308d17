"""Maps as 8 or 16 bits with a range of their own."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FINE_PIXELS = 16 * 16
"""Maps up to this size get 16 bits: they are enlarged by interpolation, and cost next to nothing."""
_LEVEL = 6


@dataclass(frozen=True)
class Quantized:
    """Quantized maps.

    Attributes:
        ranges: (S, K, 2) float32, the values of the lowest and of the highest level of each map; NaN where it has no
            finite value.
        levels: (S, K, h, w) uint8 or uint16; the highest number of the type says that the value is not finite.
    """

    ranges: NDArray[np.float32]
    levels: NDArray[np.unsignedinteger[Any]]

    @property
    def bits(self) -> int:
        """8 or 16."""
        return 8 * self.levels.itemsize

    @property
    def shape(self) -> tuple[int, ...]:
        """(S, K, h, w)."""
        return self.levels.shape

    @property
    def range(self) -> tuple[float, float]:
        """The lowest and the highest finite value of all maps, NaN if there are none."""
        finite = self.ranges[np.isfinite(self.ranges).all(axis=-1)]
        return (float(finite[:, 0].min()), float(finite[:, 1].max())) if finite.size else (np.nan, np.nan)

    @cached_property
    def blob(self) -> bytes:
        """The ranges, then the levels, little-endian and compressed by zlib."""
        ranges, levels = self.ranges.astype("<f4"), self.levels.astype(f"<u{self.levels.itemsize}")
        return zlib.compress(ranges.tobytes() + levels.tobytes(), _LEVEL)


def quantized(values: NDArray[np.floating[Any]]) -> Quantized:
    """Maps (S, K, h, w) with a range of their own each, off by at most 1/508 of it (8 bits) or 1/131,068 (16 bits)."""
    maps = np.asarray(values, np.float32)
    kind: type[np.unsignedinteger[Any]] = np.uint16 if maps.shape[2] * maps.shape[3] <= _FINE_PIXELS else np.uint8
    not_finite = np.iinfo(kind).max
    highest = not_finite - 1
    finite = np.isfinite(maps)
    low = np.where(finite, maps, np.inf).min(axis=(2, 3))
    high = np.where(finite, maps, -np.inf).max(axis=(2, 3))
    ranges = np.stack([low, high], axis=-1)
    ranges[~np.isfinite(ranges).all(axis=-1)] = np.nan
    span = (ranges[..., 1].astype(np.float64) - ranges[..., 0])[..., None, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        units = (maps - ranges[..., 0][..., None, None].astype(np.float64)) / span
    levels = (np.where(finite & (span > 0), units, 0).clip(0, 1) * highest + 0.5).astype(kind)
    levels[~finite] = not_finite
    return Quantized(ranges.astype(np.float32), levels)


def dequantized(quantized_maps: Quantized) -> NDArray[np.float32]:
    """The maps (S, K, h, w) as a reader sees them; NaN where a value was not finite."""
    levels, ranges = quantized_maps.levels, quantized_maps.ranges.astype(np.float64)
    not_finite = np.iinfo(levels.dtype).max
    low, high = ranges[..., 0][..., None, None], ranges[..., 1][..., None, None]
    values = low + levels.astype(np.float64) / (not_finite - 1) * (high - low)
    return np.where(levels == not_finite, np.nan, values).astype(np.float32)


def halved(quantized_maps: Quantized) -> Quantized:
    """Half the width and height, each value the mean of four."""
    values = dequantized(quantized_maps)
    height, width = (side // 2 * 2 for side in values.shape[2:])
    blocks = values[:, :, :height, :width].reshape(*values.shape[:2], height // 2, 2, width // 2, 2)
    return quantized(blocks.mean(axis=(3, 5)))
