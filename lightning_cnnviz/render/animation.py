"""A film strip in motion: one picture after another, as a file to share."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from lightning_cnnviz.render.film import FilmStrip
from lightning_cnnviz.render.geometry import PIXEL_ART
from lightning_cnnviz.render.text import SIGNS
from lightning_cnnviz.render.tiling import tiles

if TYPE_CHECKING:
    from lightning_cnnviz.output.artifacts import RGB

FORMATS = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG"}
"""What an animation can be stored as, by the end of the file's name."""

_LAST_FRAME = 3.0  # times as long as the others
_MOST_LINES = 4  # below a map: the true class, what the model said, and how sure it was


def stills(strip: FilmStrip, rows: Sequence[int] | None = None) -> list[RGB]:
    """The frames of a film strip as pictures of one size, each with its heading in the title.

    Args:
        strip: what is animated.
        rows: which of its rows, counted from 0; None: all of them.
    """
    chosen = range(len(strip.rows)) if rows is None else rows
    samples = [row.picture for row in strip.rows]
    names = ["" if row.caption is None else row.caption.lines[0] for row in strip.rows]
    pictures = []
    for frame in strip.frames:
        cells = list(chain.from_iterable(frame.maps.cells(samples)))
        labels = [" ".join(filter(None, (names[row], SIGNS[frame.correct[row]], *frame.lines[row]))) for row in chosen]
        smooth = cells[0].shape[1] > PIXEL_ART
        title = f"{strip.title} · {frame.heading}"
        shown = [cells[row] for row in chosen]
        correct = [frame.correct[row] for row in chosen]
        pictures.append(
            tiles(shown, labels=labels, title=title, smooth=smooth, correct=correct, most_lines=_MOST_LINES)
        )
    height, width = (max(picture.shape[side] for picture in pictures) for side in (0, 1))
    return [_on_canvas(picture, height, width) for picture in pictures]


def animation(pictures: Sequence[RGB], seconds: float, file_format: str = "GIF") -> bytes:
    """Pictures of one size as an animation that begins again; the last one stays longer.

    Args:
        pictures: (H, W, 3) uint8 RGB each, at least one.
        seconds: for each.
        file_format: one of the values of :data:`FORMATS`.
    """
    from PIL import Image  # noqa: PLC0415 - only those who draw wait for it

    first, *others = [Image.fromarray(picture) for picture in pictures]
    milliseconds = [round(1000 * seconds)] * len(others) + [round(1000 * seconds * _LAST_FRAME)]
    file = io.BytesIO()
    first.save(file, file_format, save_all=True, append_images=others, duration=milliseconds, loop=0)
    return file.getvalue()


def _on_canvas(picture: RGB, height: int, width: int) -> RGB:
    canvas = np.full((height, width, 3), 255, np.uint8)
    canvas[: picture.shape[0], : picture.shape[1]] = picture
    return canvas
