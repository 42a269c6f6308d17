"""A film strip for each sample: what was seen at every look of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lightning_cnnviz.render.blocks import WHITE, Block, Mosaic, grid, padded, stacked
from lightning_cnnviz.render.captions import label_blocks
from lightning_cnnviz.render.geometry import GAP, WIDTH, box_height, cell_block, framed, text_size, with_left_out
from lightning_cnnviz.render.text import DARK, MUTED, RIGHT, WRONG, Color

if TYPE_CHECKING:
    from lightning_cnnviz.output.artifacts import RGB

_LARGEST_FRAME, _MOST_FRAMES = 128, 7  # more of them would be too small for their text in a card
_MARK = 12  # height of what says right or wrong, in pixels
_MARKS: dict[bool | None, Color] = {True: RIGHT, False: WRONG, None: (200, 200, 200)}


@dataclass(frozen=True, slots=True)
class Still:
    """One frame of a film strip.

    Attributes:
        picture: (h, w, 3) uint8 RGB.
        lines: what stands below it; the same number of lines in all frames.
        correct: the band below is blue if True, orange if False, grey if None.
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
        (H, W, 3) uint8 RGB, at most 1,000 pixels wide: of more than seven frames some are left out, and that is said.
    """
    shown = _spread(len(headings), _MOST_FRAMES)
    footer = with_left_out(footer, (len(shown), len(headings), "looks"))
    headings, strips = [headings[i] for i in shown], [[strip[i] for i in shown] for strip in strips]
    width = min(_LARGEST_FRAME, WIDTH // (len(headings) + 1) - GAP // 2)
    height, size = box_height(samples[0], width), text_size((len(headings) + 1) * (width + GAP // 2))
    rows: list[list[Block]] = [[Mosaic((1, 1)), *label_blocks(headings, width, size, DARK, down=1)]]
    for sample, name, strip in zip(samples, label_blocks(names, width, size, DARK), strips, strict=True):
        first: Block = padded(name, height, width)  # where there is no picture of it
        if sample.min() < WHITE:
            first = stacked([cell_block(sample, height, width, smooth=smooth), name], 4)
        rows.append([first, *_frames(strip, height, width, size)])
    return framed(grid(rows, GAP // 2), title, footer, None)


def _frames(strip: Sequence[Still], height: int, width: int, size: int) -> list[Mosaic]:
    columns = [label_blocks(lines, width, size, MUTED) for lines in zip(*(s.lines for s in strip), strict=True)]
    frames = []
    for index, still in enumerate(strip):
        mark = np.full((_MARK, width, 3), _MARKS[still.correct], np.uint8)
        texts = [column[index] for column in columns]
        frames.append(stacked([cell_block(still.picture, height, width, smooth=False), mark, *texts]))
    return frames


def _spread(count: int, most: int) -> list[int]:
    """At most so many of a count, evenly spaced, the first and the last ones among them."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, most)).tolist()})
