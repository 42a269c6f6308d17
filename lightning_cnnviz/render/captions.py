"""Text beside samples and under cells, made to fit the room there is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from lightning_cnnviz.render.blocks import Block, Mosaic, beside, padded, stacked
from lightning_cnnviz.render.text import (
    DARK,
    MUTED,
    RIGHT,
    WRONG,
    Color,
    common_size,
    current_font,
    line_height,
    shortened,
    text_block,
    text_width,
    using_font,
    wrapped,
)

_COLORS: dict[bool | None, Color] = {True: RIGHT, False: WRONG, None: DARK}


@dataclass(frozen=True, slots=True)
class Caption:
    """What stands beside a sample.

    Attributes:
        lines: for example ``("7  98%", "true 7")``; a line that is too long is wrapped, or else loses its middle.
        correct: ``True`` for a tick, ``False`` for a cross, ``None`` for neither.
    """

    lines: tuple[str, ...]
    correct: bool | None = None

    def __post_init__(self) -> None:
        if not self.lines:
            raise ValueError("lines must hold at least one text, got none")
        object.__setattr__(self, "lines", tuple(self.lines))  # a list could not be looked up among the captions drawn


def caption_blocks(captions: Sequence[Caption], heights: Sequence[int], widest: float, size: int) -> tuple[Block, ...]:
    """Captions as blocks of one width, in the largest size at which all fit beside pictures of these heights."""
    return _caption_blocks(tuple(captions), tuple(heights), widest, size, current_font())


@lru_cache(maxsize=8)  # the pictures of one look have the same captions in a few sizes
def _caption_blocks(
    captions: tuple[Caption, ...], heights: tuple[int, ...], widest: float, size: int, _font: str | None
) -> tuple[Block, ...]:
    room = widest - max(_mark(caption.correct, size).shape[1] for caption in captions)
    pairs = list(zip(captions, heights, strict=True))
    sizes = range(size, math.ceil(size * 2 / 3) - 1, -1)
    size = next((s for s in sizes if all(_wrapped_lines(*pair, room, s) for pair in pairs)), sizes[-1])
    blocks = []
    for caption, height in pairs:
        lines = _wrapped_lines(caption, height, room, size) or _shortened_lines(caption, room, size)
        colors = [MUTED if paragraph else _COLORS[caption.correct] for paragraph, _ in lines]
        texts = [text_block(text, size, color) for (_, text), color in zip(lines, colors, strict=True)]
        blocks.append(beside([_mark(caption.correct, size), stacked(texts)], down=0))
    width = max(block.shape[1] for block in blocks)
    return tuple(padded(block, 0, width, across=0) for block in blocks)


def _wrapped_lines(caption: Caption, height: int, room: float, size: int) -> list[tuple[int, str]] | None:
    """Pieces of the caption's lines with the number of the line they are from; None where they do not fit."""
    lines = [(number, piece) for number, line in enumerate(caption.lines) for piece in wrapped(line, room, size)]
    available = max(len(caption.lines), height // line_height(size))
    fits = len(lines) <= available and all(text_width(line, size) <= room for _, line in lines)
    return lines if fits else None


def _shortened_lines(caption: Caption, room: float, size: int) -> list[tuple[int, str]]:
    return [(number, shortened(line, room, size)) for number, line in enumerate(caption.lines)]


def _mark(correct: bool | None, size: int) -> Block:
    if correct is None:
        return Mosaic((1, 1))
    # Always in the default font, which has the two signs: another one may lack them.
    with using_font(None):
        return beside([text_block("✓" if correct else "✗", size, _COLORS[correct]), Mosaic((1, size // 4))])


def label_blocks(texts: Sequence[str], width: int, size: int, color: Color) -> list[Block]:
    """One line for each cell of a width, all in the size at which the longest fits."""
    size = common_size(texts, width, size)
    return [padded(text_block(shortened(text, width, size), size, color), 0, width) for text in texts]
