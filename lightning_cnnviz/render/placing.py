"""Laying a map over the part of a picture that it is a map of, such as the crop that a model saw of a photograph."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lightning_cnnviz.render.maps import overlay

if TYPE_CHECKING:
    from lightning_cnnviz.output.artifacts import RGB

Box: TypeAlias = tuple[float, float, float, float]
"""Where the left, top, right and bottom edge of a map or of the model's input lie in a picture, in its pixels from the
upper left corner. Left beyond right: it is mirrored there; top beyond bottom: it stands on its head. Edges outside the
picture: the input is padded there."""

_BEYOND = 236  # light grey: no value of a map


def rescaled(box: Box, before: RGB, after: RGB) -> Box:
    """The box in a picture of another size."""
    down, right = after.shape[0] / before.shape[0], after.shape[1] / before.shape[1]
    return box[0] * right, box[1] * down, box[2] * right, box[3] * down


def map_size(box: Box) -> tuple[int, int]:
    """Height and width in pixels that a map has in its box."""
    left, top, right, bottom = _edges(box)
    return max(bottom - top, 1), max(right - left, 1)


def lay_over(
    picture: RGB, heat: RGB, box: Box, alpha: float, weights: NDArray[np.float32] | None = None
) -> tuple[RGB, RGB]:
    """Returns a colored map at its place in an empty picture, and over the picture; the rest stays as it is.

    Args:
        picture: (H, W, 3) uint8 RGB.
        heat: the colored map, of the height and width of `map_size`.
        box: where it lies.
        alpha: weight of the map, from 0 to 1.
        weights: by which ``alpha`` is multiplied at each pixel of the map, (h, w) from 0 to 1; None for 1 everywhere.
    """
    left, top, right, bottom = _edges(box)
    height, width = picture.shape[:2]
    rows, columns = slice(max(top, 0), min(bottom, height)), slice(max(left, 0), min(right, width))
    turned = slice(None, None, 1 if box[1] < box[3] else -1), slice(None, None, 1 if box[0] < box[2] else -1)
    inside = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
    part = np.ascontiguousarray(heat[turned][inside])
    alone, over = np.full_like(picture, _BEYOND), picture.copy()
    if part.size:
        shares = None if weights is None else np.ascontiguousarray(weights[turned][inside])
        alone[rows, columns] = part
        over[rows, columns] = overlay(np.ascontiguousarray(picture[rows, columns]), part, alpha, shares)
    return alone, over


def outlined(picture: RGB, box: Box) -> RGB:
    """The picture with a frame around a part of it, white and black so that it is seen on everything."""
    height, width = picture.shape[:2]
    line = max(1, round(max(height, width) / 200))
    marked = picture.copy()
    left, top, right, bottom = _edges(box)
    if left <= 0 and top <= 0 and right >= width and bottom >= height:
        return picture
    for inset, shade in ((0, 0), (line, 255)):
        outer = (max(left, 0) + inset, max(top, 0) + inset, min(right, width) - inset, min(bottom, height) - inset)
        if outer[2] - outer[0] < 4 * line or outer[3] - outer[1] < 4 * line:
            return picture
        x0, y0, x1, y1 = outer
        marked[y0:y1, x0 : x0 + line] = marked[y0:y1, x1 - line : x1] = shade
        marked[y0 : y0 + line, x0:x1] = marked[y1 - line : y1, x0:x1] = shade
    return marked


def _edges(box: Box) -> tuple[int, int, int, int]:
    left, right = sorted((round(box[0]), round(box[2])))
    top, bottom = sorted((round(box[1]), round(box[3])))
    return left, top, right, bottom
