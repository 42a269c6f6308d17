"""Text beside samples and under cells, made to fit the room there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from lightning_cnnviz.render.blocks import Block, Mosaic, beside, padded, stacked
from lightning_cnnviz.render.telling import lines_told_apart
from lightning_cnnviz.render.text import (
    DARK,
    MUTED,
    RIGHT,
    SIGNS,
    WRONG,
    Color,
    current_font,
    line_height,
    text_block,
    text_width,
    using_font,
    wrapped,
)

_COLORS: dict[bool | None, Color] = {True: RIGHT, False: WRONG, None: DARK}
_MOST_LINES = 4  # that one line of a caption takes


@dataclass(frozen=True, slots=True)
class Caption:
    """What stands beside a sample.

    Attributes:
        lines: for example ``("7  98%", "true 7")``; a line that is too long is wrapped, and loses
            its middle where there is no room for that.
        correct: ``True`` for a tick, ``False`` for a cross, ``None`` for neither.
        emphasis: how many times as large as the others the first line is.
    """

    lines: tuple[str, ...]
    correct: bool | None = None
    emphasis: float = 1.0

    def __post_init__(self) -> None:
        if not self.lines:
            raise ValueError("lines must hold at least one text, got none")
        object.__setattr__(self, "lines", tuple(self.lines))  # a list could not be looked up among the captions drawn

    def size_of(self, number: int, size: int) -> int:
        """The size of the type of a line, counted from 0, where that of the others is given."""
        return size if number else round(size * self.emphasis)


def caption_blocks(captions: Sequence[Caption], heights: Sequence[int], widest: float, size: int) -> tuple[Block, ...]:
    """Captions as blocks of one width, each with as many lines as there is room for beside a picture of its height."""
    return _caption_blocks(tuple(captions), tuple(heights), widest, size, current_font())


@lru_cache(maxsize=8)  # the pictures of one look have the same captions in a few sizes
def _caption_blocks(
    captions: tuple[Caption, ...], heights: tuple[int, ...], widest: float, size: int, _font: str | None
) -> tuple[Block, ...]:
    room = widest - max(_mark(caption.correct, size).shape[1] for caption in captions)
    blocks, among = [], _all_lines(captions)
    for caption, height in zip(captions, heights, strict=True):
        texts = [
            text_block(text, caption.size_of(number, size), MUTED if number else _COLORS[caption.correct])
            for number, text in _written(caption, height, room, size, among)
        ]
        blocks.append(beside([_mark(caption.correct, size), stacked(texts)], down=0))
    width = max(block.shape[1] for block in blocks)
    return tuple(padded(block, 0, width, across=0) for block in blocks)


def _all_lines(captions: Sequence[Caption]) -> tuple[str, ...]:
    return tuple(line for caption in captions for line in caption.lines)


def _written(caption: Caption, height: int, room: float, size: int, among: tuple[str, ...]) -> list[tuple[int, str]]:
    """Pieces of the caption's lines with the number of the line they are from; cut only where there are too many."""
    for most in range(_MOST_LINES, 0, -1):
        lines = [
            (number, piece)
            for number, line in enumerate(caption.lines)
            for piece in lines_told_apart(line, room, caption.size_of(number, size), most, among)
        ]
        if sum(line_height(caption.size_of(number, size)) for number, _ in lines) <= height:
            break
    return lines


def fit_beside(captions: Sequence[Caption], heights: Sequence[int], widest: float, size: int) -> bool:
    """Whether captions stand whole beside pictures of these heights."""
    room = widest - max(_mark(caption.correct, size).shape[1] for caption in captions)
    for caption, height in zip(captions, heights, strict=True):
        lines = [
            (piece, caption.size_of(number, size))
            for number, line in enumerate(caption.lines)
            for piece in wrapped(line, room, caption.size_of(number, size))
        ]
        if sum(line_height(of) for _, of in lines) > height or any(text_width(text, of) > room for text, of in lines):
            return False
    return True


def caption_lines(captions: Sequence[Caption], width: int, size: int) -> list[Block]:
    """Captions on one line each, or with what does not fit there below it, for the heads of rows of cells."""
    among = _all_lines(captions)
    return [_caption_line(caption, width, size, among) for caption in captions]


def _caption_line(caption: Caption, width: int, size: int, among: tuple[str, ...]) -> Block:
    mark, color = _mark(caption.correct, size), _COLORS[caption.correct]
    first, rest = caption.lines[0], " · ".join(caption.lines[1:])
    room = width - mark.shape[1]
    following, large = f" · {rest}" if rest else "", caption.size_of(0, size)
    if text_width(first, large) + text_width(following, size) <= room - size:
        texts = [text_block(first, large, color), *([text_block(following, size, MUTED)] if rest else [])]
        return beside([mark, *texts])
    lines = [text_block(line, large, color) for line in lines_told_apart(first, room, large, among=among)]
    if rest:
        lines += [text_block(line, size, MUTED) for line in lines_told_apart(rest, room, size, among=among)]
    return beside([mark, stacked(lines)], down=0)


def _mark(correct: bool | None, size: int) -> Block:
    if correct is None:
        return Mosaic((1, 1))
    # Always in the default font, which has the two signs: another one may lack them.
    with using_font(None):
        return beside([text_block(SIGNS[correct], size, _COLORS[correct]), Mosaic((1, size // 4))])


def label_blocks(
    texts: Sequence[str],
    width: int,
    size: int,
    color: Color,
    *,
    most: int = 2,
    down: float = 0,
    across: float = 0.5,
    among: Sequence[str] = (),
) -> list[Block]:
    """A text for each cell of a width, all of one height, in at most so many lines before it loses its middle.

    What is cut is told apart from the others, or from those ``among`` which it stands.
    """
    told = [lines_told_apart(text, width, size, most, among or texts) for text in texts]
    written = [[line.removesuffix(" ·") for line in lines] for lines in told]
    height = max(map(len, written), default=1) * line_height(size)
    return [
        padded(
            stacked([padded(text_block(line, size, color), 0, width, across=across) for line in lines]),
            height,
            width,
            down=down,
        )
        for lines in written
    ]
