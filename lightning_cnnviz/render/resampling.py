"""Pictures and maps of numbers at another size."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def resize(values: NDArray[Any], size: tuple[int, int], smooth: bool) -> NDArray[Any]:
    """Resize pictures or maps of numbers.

    Args:
        values: (..., h, w, 3) uint8 pictures, or (..., h, w) float maps; those may be resized before they are colored.
        size: (height, width) in pixels.
        smooth: ``False`` repeats the nearest pixel, for pixels that mean something one by one. ``True`` interpolates
            bilinearly when enlarging, as ``torch.nn.functional.interpolate(mode="bilinear", align_corners=False)``
            does, and averages areas when shrinking. A NaN spreads no further than its neighbouring pixels.

    Returns:
        The same leading dimensions and dtype (float16 becomes float32) with the new height and width; a new array.

    Raises:
        TypeError: if ``values`` are neither uint8 nor floating point.
        ValueError: if a shape or ``size`` does not fit.
    """
    values = np.asarray(values)
    if values.dtype != np.uint8 and values.dtype.kind != "f":
        raise TypeError(f"values must be uint8 pictures or floating-point maps, got dtype {values.dtype}")
    pixel_dims = 3 if values.dtype == np.uint8 else 2
    pixel_shape = values.shape[-pixel_dims:]
    if values.ndim < pixel_dims or 0 in pixel_shape or (pixel_dims == 3 and pixel_shape[2] != 3):
        wanted = "(..., h, w, 3)" if pixel_dims == 3 else "(..., h, w)"
        raise ValueError(f"values of dtype {values.dtype} must have the shape {wanted}, got {values.shape}")
    if min(size) < 1:
        raise ValueError(f"size must be a height and a width of at least 1, got {size}")
    if values.dtype == np.float16:
        values = values.astype(np.float32)

    new_shape = (*size, *pixel_shape[2:])
    resized = np.empty((*values.shape[:-pixel_dims], *new_shape), values.dtype)
    for old, new in zip(values.reshape(-1, *pixel_shape), resized.reshape(-1, *new_shape), strict=True):
        resize_into(new, old, smooth)
    return resized


def within(picture: NDArray[Any], side: int) -> NDArray[Any]:
    """A picture (h, w, 3) shrunk until no side is longer than ``side``; as it is where none is."""
    largest = max(picture.shape[:2])
    if largest <= side:
        return picture
    height, width = (max(1, round(edge * side / largest)) for edge in picture.shape[:2])
    return resize(picture, (height, width), smooth=True)


def smoothed(maps: NDArray[Any], sigma: float) -> NDArray[Any]:
    """Maps (N, H, W) averaged with a Gaussian of a standard deviation in pixels; as they are if that is below 0.5.

    Near the borders the weights of what lies inside are scaled up to 1.
    """
    import cv2  # noqa: PLC0415 - only those who draw wait for it

    if sigma < 0.5:
        return maps
    kernel = cv2.getGaussianKernel(2 * int(3 * sigma + 0.5) + 1, sigma)

    def averaged(values: NDArray[Any]) -> NDArray[Any]:
        return cv2.sepFilter2D(values, -1, kernel, kernel, borderType=cv2.BORDER_CONSTANT)

    inside = averaged(np.ones_like(maps[0]))
    return np.stack([averaged(one) / inside for one in maps])


def resize_into(new: NDArray[Any], old: NDArray[Any], smooth: bool) -> None:
    """Fill one picture or map with another, as `resize` does; ``new`` may be a part of a larger picture."""
    import cv2  # noqa: PLC0415 - only those who draw wait for it

    height, width = new.shape[:2]
    shrinks = height <= old.shape[0] and width <= old.shape[1]
    smooth_rule = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    cv2.resize(old, (width, height), new, interpolation=smooth_rule if smooth else cv2.INTER_NEAREST_EXACT)
