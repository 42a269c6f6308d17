"""Pictures in notebooks that stay small."""

from __future__ import annotations

import io

import numpy as np
from IPython.display import Image as Displayed
from numpy.typing import NDArray
from PIL import Image


def jpeg(picture: NDArray[np.uint8], width: int = 800) -> Displayed:
    """A picture (H, W, 3) uint8 as the notebook keeps it: JPEG, at most so many pixels wide."""
    image = Image.fromarray(picture)
    image.thumbnail((width, 10 * width))
    stored = io.BytesIO()
    image.save(stored, "JPEG", quality=80)
    return Displayed(stored.getvalue(), format="jpeg")
