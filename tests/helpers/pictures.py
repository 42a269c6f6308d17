"""Pictures as they come back from where they were written."""

from __future__ import annotations

import cv2
import numpy as np

from lightning_cnnviz.output.artifacts import RGB


def noise(height: int = 7, width: int = 5, seed: int = 0) -> RGB:
    """A picture in which no pixel can be mistaken for another."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def decode(encoded: bytes) -> RGB:
    """The pixels of a PNG or JPEG."""
    bgr = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8)
