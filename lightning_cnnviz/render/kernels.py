"""Kernels over red, green and blue, drawn in their own colors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lightning_cnnviz.render.maps import DrawnMaps, color_maps
from lightning_cnnviz.render.measuring import Measured, Scale, measure_maps


def draw_rgb_kernels(kernels: NDArray[np.float32], *, scale: Scale = "shared") -> DrawnMaps:
    """Colors kernels (K, 3, h, w) so that mid-grey is no weight and each channel's weight pushes its own color.

    Args:
        kernels: weights for red, green and blue; or (K, 1, h, w), drawn in grey.
        scale: ``"shared"`` for all kernels, or ``"each"`` by itself.

    Returns:
        Cells (K, h, w, 3), limits (K, 2), which are -m and m, and defects of kernels that are constant or not finite.
    """
    measured = measure_rgb_kernels(kernels, scale=scale)
    return DrawnMaps(color_rgb_kernels(kernels, measured), measured.limits, measured.defects)


def measure_rgb_kernels(
    kernels: NDArray[np.float32],
    *,
    scale: Scale,
    symmetric: bool = True,
    limits: tuple[float, float] | None = None,
) -> Measured:
    """Finds limits (K, 2), the same for the channels of a kernel, and defects."""
    return measure_maps(_side_by_side(kernels), scale=scale, symmetric=symmetric, limits=limits)


def color_rgb_kernels(kernels: NDArray[np.float32], measured: Measured, *, symmetric: bool = True) -> NDArray[np.uint8]:
    """Colors kernels that have been measured, (K, h, w, 3) uint8 RGB."""
    count, width = kernels.shape[1], kernels.shape[3]
    drawn = color_maps(_side_by_side(kernels), measured, colormap="gray", symmetric=symmetric)
    planes = np.split(drawn[..., 0], count, axis=2)
    cells = np.stack(planes * (3 // count), axis=-1)
    if measured.finite is not None:
        # Kernels that are not finite keep the marking of their map instead of mixing it into a color.
        for (index,) in measured.defects:
            cells[index] = drawn[index][:, :width]
    return cells


def _side_by_side(kernels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The channels of each kernel as one map (K, h, C w), for which there is one pair of limits."""
    return np.concatenate(list(kernels.transpose(1, 0, 2, 3)), axis=2)
