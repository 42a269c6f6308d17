"""Pictures of a whole run: a film strip for each sample, and a table of colored numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
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
_LARGEST_TYPE = 30
_LEAST_FOR_NAMES, _MOST_FOR_NAMES = 200, 420
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
    longest = max(rows, key=len)
    for_names = min(_MOST_FOR_NAMES, max(_LEAST_FOR_NAMES, int(text_width(longest, _LARGEST_TYPE * 4 // 5)) + GAP))
    width = min(_LARGEST_FRAME, max(_SMALLEST_FRAME, (WIDTH - for_names) // len(columns)))
    height = min(width, 64)
    # As large as there is room for: the table is read in a card, at a third of its size.
    size = _largest(range(min(_LARGEST_TYPE, width * 2 // 5), 13, -1), rows, WIDTH - len(columns) * width - GAP) or 13
    written = [[_number(value) for value in row] for row in values.tolist()]
    inside = _largest(range(min(_LARGEST_TYPE, width * 2 // 5), 9, -1), list(chain(*written)), width - 4)
    names = max(int(text_width(name, size)) for name in rows) + GAP
    shown, ends = np.asarray(values, np.float64), np.asarray(limits, np.float64)
    if logarithmic:
        shown, ends = np.log(np.maximum(shown, ends[0])), np.log(ends)
    low, high = ends.tolist()
    colors = draw_maps(np.nan_to_num(shown, nan=low)[..., None, None], colormap=colormap, limits=(low, high)).cells
    lines = [[Mosaic((1, names)), *label_blocks(columns, width, size, DARK)]]
    for row, name in enumerate(rows):
        cells = [
            _cell(colors[row, column, 0, 0], text, height, width, inside) for column, text in enumerate(written[row])
        ]
        lines.append([padded(text_block(name, size, DARK), height, names, across=0), *cells])
    body = stacked([beside(line) for line in lines])
    ends_written = (_number(float(limits[0])), _number(float(limits[1])))
    bar = ColorBar(colormap, *limits, label=f"{label}, logarithmic" if logarithmic else label, words=ends_written)
    return framed(body, title, footer, bar)


def _number(value: float) -> str:
    if not math.isfinite(value):
        return ""
    return f"{value:.0f}" if value.is_integer() else format_number(round(value, 3))


def _cell(color: NDArray[np.uint8], text: str, height: int, width: int, size: int | None) -> RGB:
    cell = np.broadcast_to(color if text else np.array([255, 255, 255], np.uint8), (height, width, 3)).copy()
    if size is None or not text:
        return cell
    ink = text_block(text, size, DARK)
    top, left = (height - ink.shape[0]) // 2, (width - ink.shape[1]) // 2
    place = cell[top : top + ink.shape[0], left : left + ink.shape[1]]
    if color @ _LUMA < _DARK_CELL:
        np.maximum(place, 255 - ink, out=place)
    else:
        np.minimum(place, ink, out=place)
    return cell


def _largest(sizes: Iterable[int], texts: Sequence[str], room: int) -> int | None:
    """The first size of type in which all texts fit into the room, None if in none of them."""
    return next((size for size in sizes if all(text_width(text, size) <= room for text in texts)), None)
