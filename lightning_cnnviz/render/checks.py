"""What pictures and counts must be like before anything is drawn of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lightning_cnnviz.output.artifacts import RGB


def check_count(name: str, items: Sequence[object], per: str, expected: int) -> None:
    """Raises ValueError unless there are as many items as expected."""
    if len(items) != expected:
        raise ValueError(f"{name} must have one item for each of the {expected} {per}, got {len(items)}")


def check_pictures(name: str, pictures: Sequence[RGB] | NDArray[np.uint8]) -> None:
    """Raises TypeError or ValueError unless there are pictures, all of them (H, W, 3) uint8."""
    if len(pictures) == 0:
        raise ValueError(f"{name} must hold at least one picture, got none")
    for picture in pictures:
        if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8:
            received = getattr(picture, "dtype", type(picture).__name__)
            raise TypeError(f"{name} must be uint8 arrays, got {received}")
        if picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
            raise ValueError(f"{name} must have the shape (height, width, 3), got {picture.shape}")
