"""Pictures: what they are drawn from, and as they come back from where they were written."""

from __future__ import annotations

import cv2
import numpy as np
from torch import nn

from lightning_cnnviz import FixedSamples, View
from lightning_cnnviz.look import run_views
from lightning_cnnviz.model.probe import Probe
from lightning_cnnviz.output.artifacts import RGB, Picture
from lightning_cnnviz.render import Sheet

Color = tuple[int, int, int]


def noise(height: int = 7, width: int = 5, seed: int = 0) -> RGB:
    """A picture in which no pixel can be mistaken for another."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def sheets(model: nn.Module, samples: FixedSamples, view: View) -> list[Sheet]:
    """What a view lays out at one look."""
    probe = Probe(model)
    _, [(_, artifacts)] = run_views(probe, probe.survey(samples), samples, [view], "predicted")
    figures = [artifact.figure for artifact in artifacts if isinstance(artifact, Picture)]
    return [figure for figure in figures if isinstance(figure, Sheet)]


def decode(encoded: bytes) -> RGB:
    """The pixels of a PNG or JPEG."""
    bgr = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8)


def flat(color: Color, height: int = 28, width: int = 28) -> RGB:
    """A picture of one color."""
    return np.full((height, width, 3), color, np.uint8)


def box(picture: RGB, color: Color) -> tuple[int, int, int, int]:
    """Top, left, height and width of the area of one color, which must fill its rectangle."""
    rows, columns = np.nonzero((picture == color).all(axis=-1))
    height, width = rows.max() - rows.min() + 1, columns.max() - columns.min() + 1
    assert len(rows) == height * width, "the area is no full rectangle"
    return int(rows.min()), int(columns.min()), int(height), int(width)


def has(picture: RGB, color: Color) -> bool:
    """Whether any pixel has the color."""
    return bool((picture == color).all(axis=-1).any())


def longest_run(picture: RGB, color: Color) -> int:
    """The longest run of a color in any line of pixels."""
    best = 0
    for line in (picture == color).all(axis=-1):
        ends = np.flatnonzero(np.diff(np.concatenate([[0], line.view(np.int8), [0]])))
        best = max([best, *(ends[1::2] - ends[::2]).tolist()])
    return best
