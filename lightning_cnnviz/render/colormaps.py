"""Color maps as lookup tables: OpenCV's by name, then matplotlib's."""

from __future__ import annotations

from difflib import get_close_matches
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_OPENCV_PREFIX = "COLORMAP_"


@lru_cache(maxsize=64)
def lookup_table(name: str) -> NDArray[np.uint8]:
    """Colors of a color map, from its lowest value to its highest.

    Args:
        name: a color map of OpenCV (``"viridis"``, ``"jet"``; in any case), of matplotlib (``"RdBu_r"``,
            ``"seismic"``), or ``"gray"`` / ``"grey"``.

    Returns:
        (256, 3) uint8 RGB, read-only because it is shared.

    Raises:
        ValueError: if neither library knows the name; the message lists the nearest ones.
    """
    if name.lower() in ("gray", "grey"):
        table = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    else:
        known = _opencv_table(name)
        table = _matplotlib_table(name) if known is None else known
    table.flags.writeable = False
    return table


def _opencv_table(name: str) -> NDArray[np.uint8] | None:
    import cv2  # noqa: PLC0415 - only those who draw wait for it

    colormap = getattr(cv2, _OPENCV_PREFIX + name.upper(), None)
    if colormap is None:
        return None
    bgr = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], colormap)
    return np.array(bgr[:, 0, ::-1], dtype=np.uint8)


def _matplotlib_table(name: str) -> NDArray[np.uint8]:
    import cv2  # noqa: PLC0415 - only those who draw wait for it
    from matplotlib import colormaps  # noqa: PLC0415 - too slow to import for those who never need it

    if name not in colormaps:
        opencv_names = [
            name.removeprefix(_OPENCV_PREFIX).lower() for name in dir(cv2) if name.startswith(_OPENCV_PREFIX)
        ]
        nearest = get_close_matches(name, dict.fromkeys([*opencv_names, *colormaps]), n=5, cutoff=0.4)
        hint = f"; the nearest are {', '.join(map(repr, nearest))}" if nearest else ""
        raise ValueError(f"colormap must name a color map of OpenCV or matplotlib, got {name!r}{hint}")
    return np.array(colormaps[name](np.linspace(0, 1, 256), bytes=True)[:, :3], dtype=np.uint8)
