"""Pictures of a whole run: a film strip for each sample, and a table of colored numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lightning_cnnviz.render.bars import ColorBar
from lightning_cnnviz.render.blocks import Mosaic, beside, grid, padded, stacked
from lightning_cnnviz.render.captions import label_blocks
from lightning_cnnviz.render.geometry import GAP, WIDTH, cell_block, framed
from lightning_cnnviz.render.maps import draw_maps
from lightning_cnnviz.render.text import DARK, MUTED, RIGHT, WRONG, Color, format_number, text_block, text_width

if TYPE_CHECKING:
    from lightning_cnnviz.output.artifacts import RGB

_SMALLEST_FRAME, _LARGEST_FRAME = 48, 128
_LUMA, _DARK_CELL = np.array([0.299, 0.587, 0.114]), 140
_MARKS: dict[bool | None, Color] = {True: RIGHT, False: WRONG, None: (200, 200, 200)}


@dataclass(frozen=True, slots=True)
class Still:
    """One frame of a film strip.

    Attributes:
        picture: (h, w, 3) uint8 RGB.
        lines: what stands below it; the same number of lines in all frames.
        correct: the line below is blue if True, orange if False, grey if None.
    """

    picture: RGB
    lines: tuple[str, ...]
    correct: bool | None = None


def film_strip(
    samples: Sequence[RGB],
    names: Sequence[str],
    strips: Sequence[Sequence[Still]],
    headings: Sequence[str],
    *,
    title: str = "",
    footer: str = "",
    smooth: bool = False,
) -> RGB:
    """Draw one row per sample: the sample with its name, then its frames from left to right.

    Args:
        samples: (H, W, 3) uint8 RGB each.
        names: what stands under each sample.
        strips: for each sample the same number of frames.
        headings: one for each frame.
        title: what is shown.
        footer: how to read it.
        smooth: how small pictures are enlarged: bilinearly, or pixel by pixel.

    Returns:
        (H, W, 3) uint8 RGB, at most about 1,400 pixels wide with up to 24 frames.
    """
    width = min(_LARGEST_FRAME, max(_SMALLEST_FRAME, WIDTH // (len(headings) + 1) - GAP // 2))
    height = round(width * samples[0].shape[0] / samples[0].shape[1])
    size = max(11, width // 6)
    rows = [[Mosaic((1, 1)), *label_blocks(headings, width, size, DARK)]]
    for sample, name, strip in zip(samples, names, strips, strict=True):
        first = stacked([cell_block(sample, height, width, smooth=smooth), *label_blocks([name], width, size, DARK)], 4)
        rows.append([first, *_frames(strip, height, width, size)])
    return framed(grid(rows, GAP // 2), title, footer, None)


def _frames(strip: Sequence[Still], height: int, width: int, size: int) -> list[Mosaic]:
    columns = [label_blocks(lines, width, size, MUTED) for lines in zip(*(s.lines for s in strip), strict=True)]
    frames = []
    for index, still in enumerate(strip):
        mark = np.full((4, width, 3), _MARKS[still.correct], np.uint8)
        texts = [column[index] for column in columns]
        frames.append(stacked([cell_block(still.picture, height, width, smooth=False), mark, *texts]))
    return frames


def heat_table(
    values: NDArray[np.floating],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    limits: tuple[float, float],
    logarithmic: bool = False,
    colormap: str = "viridis",
    label: str = "",
    title: str = "",
    footer: str = "",
) -> RGB:
    """Draw a table of numbers as colored cells, with the numbers in them where there is room.

    Args:
        values: (R, C) numbers; NaN is left white.
        rows: the name of each row.
        columns: the heading of each column.
        limits: the numbers at the lowest and the highest color; what lies beyond has these colors, too.
        logarithmic: whether equal steps of color are equal factors; what is below the lowest number looks like it.
        colormap: a name that `lookup_table` accepts.
        label: what the numbers are.
        title: what is shown.
        footer: how to read it.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    width = min(_LARGEST_FRAME, max(_SMALLEST_FRAME, (WIDTH - 200) // len(columns)))
    height = min(width, 64)
    size = max(13, width // 5)
    names = max(int(text_width(name, size)) for name in rows) + GAP
    shown, ends = np.asarray(values, np.float64), np.asarray(limits, np.float64)
    if logarithmic:
        shown, ends = np.log(np.maximum(shown, ends[0])), np.log(ends)
    low, high = ends.tolist()
    colors = draw_maps(np.nan_to_num(shown, nan=low)[..., None, None], colormap=colormap, limits=(low, high)).cells
    lines = [[Mosaic((1, names)), *label_blocks(columns, width, size, DARK)]]
    for row, name in enumerate(rows):
        texts = [format_number(round(value, 3)) if np.isfinite(value) else "" for value in values[row].tolist()]
        cells = [_cell(colors[row, column, 0, 0], text, height, width) for column, text in enumerate(texts)]
        lines.append([padded(text_block(name, size, DARK), height, names, across=0), *cells])
    body = stacked([beside(line) for line in lines])
    bar = ColorBar(colormap, *limits, label=f"{label}, logarithmic" if logarithmic else label)
    return framed(body, title, footer, bar)


def _cell(color: NDArray[np.uint8], text: str, height: int, width: int) -> RGB:
    cell = np.broadcast_to(color if text else np.array([255, 255, 255], np.uint8), (height, width, 3)).copy()
    size = max(10, min(18, width // 4))
    if not text or text_width(text, size) > width - 4:
        return cell
    ink = text_block(text, size, DARK)
    top, left = (height - ink.shape[0]) // 2, (width - ink.shape[1]) // 2
    place = cell[top : top + ink.shape[0], left : left + ink.shape[1]]
    if color @ _LUMA < _DARK_CELL:
        np.maximum(place, 255 - ink, out=place)
    else:
        np.minimum(place, ink, out=place)
    return cell
