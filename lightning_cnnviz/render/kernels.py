"""Kernels over red, green and blue, drawn in their own colors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lightning_cnnviz.render.maps import DrawnMaps, Scale, draw_maps


def draw_rgb_kernels(kernels: NDArray[np.float32], *, scale: Scale = "shared") -> DrawnMaps:
    """Colors kernels (K, 3, h, w) so that mid-grey is no weight and each channel's weight pushes its own color.

    Args:
        kernels: weights for red, green and blue.
        scale: ``"shared"`` for all kernels, or ``"each"`` by itself.

    Returns:
        Cells (K, h, w, 3), limits (K, 2), which are -m and m, and defects of kernels that are constant or not finite.
    """
    side_by_side = np.concatenate(list(kernels.transpose(1, 0, 2, 3)), axis=2)  # (K, h, 3 w): the three share limits
    drawn = draw_maps(side_by_side, colormap="gray", scale=scale, symmetric=True)
    finite = np.isfinite(kernels).all()
    levels = np.stack(np.split(drawn.cells[..., 0], 3, axis=2), axis=-1)
    return DrawnMaps(levels if finite else _with_marks(levels, drawn), drawn.limits, drawn.defects)


def _with_marks(levels: NDArray[np.uint8], drawn: DrawnMaps) -> NDArray[np.uint8]:
    """Kernels that are not finite keep the marking of their map instead of mixing it into a color."""
    levels = levels.copy()
    for (index,) in drawn.defects:
        levels[index] = np.split(drawn.cells[index], 3, axis=1)[0]
    return levels
