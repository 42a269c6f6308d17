"""A film strip for each sample: what was seen at every look of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lightning_cnnviz.output.artifacts import PLAIN, RGB, Style
from lightning_cnnviz.render.bars import verdict_band
from lightning_cnnviz.render.blocks import WHITE, Block, Mosaic, grid, padded, stacked
from lightning_cnnviz.render.captions import label_blocks
from lightning_cnnviz.render.columns import Images, SignedImages
from lightning_cnnviz.render.figures import Row, titled
from lightning_cnnviz.render.geometry import (
    GAP,
    TALLEST,
    WIDTH,
    across,
    box_height,
    cell_block,
    framed,
    text_size,
    with_left_out,
)
from lightning_cnnviz.render.map_columns import Maps
from lightning_cnnviz.render.text import DARK, MUTED, using_font

_LARGEST_FRAME, _MOST_FRAMES = 128, 7  # more of them would be too small for their text in a card
_LOWEST_FRAME = 32


@dataclass(frozen=True, eq=False)
class Frame:
    """One moment of a film strip.

    Attributes:
        heading: when it was.
        maps: one cell for each sample, K is 1.
        lines: for each sample what stands below its map; the same number of lines in all frames.
        correct: for each sample whether the answer was right, for a blue or an orange band below the map; None where
            that is not known.
    """

    heading: str
    maps: Maps | SignedImages | Images
    lines: tuple[tuple[str, ...], ...]
    correct: tuple[bool | None, ...]


@dataclass(frozen=True, eq=False)
class FilmStrip:
    """One row per sample: the sample with its name, then its maps from the earliest to the latest.

    Frames of samples so flat that they would become slits stand in several lines. Of more than seven frames some are
    left out, which the picture says.

    Attributes:
        rows: the samples; of a caption the first line is drawn. A white picture stands for none.
        frames: from the earliest to the latest.
        title: what is shown.
        footer: how to read it.
    """

    rows: tuple[Row, ...]
    frames: tuple[Frame, ...]
    title: str = ""
    footer: str = ""

    summary = None

    def draw(self, style: Style = PLAIN) -> RGB:
        """The picture, (H, W, 3) uint8 RGB, at most 1,000 pixels wide."""
        with using_font(style.font):
            return self._drawn(titled(self.title, style))

    def _drawn(self, title: str) -> RGB:
        samples = [row.picture for row in self.rows]
        frames = [self.frames[index] for index in _spread(len(self.frames), _MOST_FRAMES)]
        per_line = across(samples[0], len(frames) + 1, lowest=_LOWEST_FRAME)
        in_one_line = per_line == len(frames) + 1
        width = WIDTH // per_line - GAP // 2
        width = min(_LARGEST_FRAME, width) if in_one_line else width
        height, size = box_height(samples[0], width), text_size(per_line * (width + GAP // 2))
        headings = label_blocks([frame.heading for frame in frames], width, size, DARK, down=1)
        names = label_blocks(
            ["" if row.caption is None else row.caption.lines[0] for row in self.rows], width, size, DARK
        )
        cells = [frame.maps.cells(samples) for frame in frames]

        strips: list[list[Block]] = []
        for index, (sample, name) in enumerate(zip(samples, names, strict=True)):
            stills = _stills(
                frames, [column[index][0] for column in cells], index, height=height, width=width, size=size
            )
            blocks = [_first(sample, name, height, width), *stills]
            if in_one_line:
                strips.append(blocks)
                continue
            blocks[1:] = [stacked([heading, still]) for heading, still in zip(headings, stills, strict=True)]
            lines = [blocks[start : start + per_line] for start in range(0, len(blocks), per_line)]
            strips.append([grid(lines, GAP // 2)])
        row_height = max(block.shape[0] for block in strips[0]) + GAP // 2
        shown = max(1, min(len(strips), TALLEST // row_height))
        footer = with_left_out(self.footer, (len(frames), len(self.frames), "frames"), (shown, len(strips), "rows"))
        above: list[list[Block]] = [[Mosaic((1, 1)), *headings]] if in_one_line else []
        return framed(grid([*above, *strips[:shown]], GAP // 2), title, footer, None)


def _first(sample: RGB, name: Block, height: int, width: int) -> Block:
    """The sample with its name below, or that alone where there is no picture of it."""
    if sample.min() == WHITE:
        return padded(name, height, width)
    return stacked([cell_block(sample, height, width, smooth=False), name], 4)


def _stills(
    frames: Sequence[Frame], cells: Sequence[RGB], index: int, *, height: int, width: int, size: int
) -> list[Block]:
    """The maps of a sample, each with its band and what stands below."""
    texts = [label_blocks(lines, width, size, MUTED) for lines in zip(*(f.lines[index] for f in frames), strict=True)]
    is_known = any(correct is not None for frame in frames for correct in frame.correct)
    stills: list[Block] = []
    for number, (frame, cell) in enumerate(zip(frames, cells, strict=True)):
        band = verdict_band(frame.correct[index], width) if is_known else Mosaic((GAP, width))
        below = [column[number] for column in texts]
        stills.append(stacked([cell_block(cell, height, width, smooth=False), band, *below]))
    return stills


def _spread(count: int, most: int) -> list[int]:
    """At most so many of a count, evenly spaced, the first and the last ones among them."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, most)).tolist()})
