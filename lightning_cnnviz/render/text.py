"""Text as blocks of pixels, set with Pillow in a real font."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lightning_cnnviz.render.fonts import fonts_of, has_glyph, load_font

if TYPE_CHECKING:
    from lightning_cnnviz.output.artifacts import RGB

Color: TypeAlias = tuple[int, int, int]

DARK: Color = (38, 38, 38)
MUTED: Color = (105, 105, 105)
RIGHT: Color = (0, 92, 160)
WRONG: Color = (200, 80, 0)
"""Blue and orange, which all kinds of color vision tell apart; a tick and a cross stand beside them."""

SIGNS: dict[bool | None, str] = {True: "✓", False: "✗", None: ""}
"""What stands before an answer that is right, wrong, or neither."""

ELLIPSIS = "…"
_SHORT_END = re.compile(r"(?: · [^·]{1,12}|\s\S{1,8})$")
_WIDE = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"  # Chinese, Japanese, Korean
_NO_BREAK = "\u00a0"
_TOGETHER = (
    r"(?<![(\[{「『（【《〈])(?![)\]},.;:!?%、。，．！？：；」』）】》〉…])"  # a bracket stays with what is in it
)
_BREAKS = re.compile(
    rf"(?<=\S)(?=[^\S{_NO_BREAK}])(?! 0$)|(?<=[^\W\d]-)(?=[^\W\d])"  # "all 0" stays together
    rf"|(?:(?<=[{_WIDE}])(?=\S)|(?<=\S)(?=[{_WIDE}])){_TOGETHER}"
)
_RIGHT_TO_LEFT = re.compile(
    r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff](?:\s*[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff])*"
)
_LEFT_TO_RIGHT = "\u200e"
_FEWEST_LETTERS = 3  # before a hyphen, and after it
# Where our own words above narrow columns are broken.
_SYLLABLES = {"untrained": 2, "magnitude": 5, "positive": 4, "negative": 4}
_EMOJI_ASCENT = 0.95  # of the size, above the baseline
# Of many fine strokes some are lost in a card, in grey and at the size of Latin letters: another sign is read.
_FINE = re.compile(f"[{_WIDE}\u0590-\u109f\u1780-\u17ff]")
_WIDE_RUN = re.compile(f"([{_WIDE}]+)")
_WIDE_SCALE, _WIDE_DROP = 13 / 11, 0.08  # of the size; lower, they stay within the line
_DARKER: dict[Color, Color] = {MUTED: (60, 60, 60)}
_font: ContextVar[str | None] = ContextVar("font", default=None)


@contextmanager
def using_font(font: str | None) -> Iterator[None]:
    """Sets all text inside the ``with`` block in a font file; None is DejaVu Sans."""
    token = _font.set(font)
    try:
        yield
    finally:
        _font.reset(token)


def current_font() -> str | None:
    """The font file in which text is set at the moment."""
    return _font.get()


def format_number(value: float) -> str:
    """Three significant digits, with a typographic minus: ``0.31``, ``−2.5e−07``, ``1.2e+04``."""
    value += 0.0  # no minus before a zero
    return f"{value:.3g}".replace("nan", "NaN").replace("inf", "Inf").replace("-", "−")


def moment(epoch: int | None) -> str:
    """What a look is called: ``untrained`` before training, then ``epoch 4``."""
    return "untrained" if epoch is None else f"epoch {epoch}"


def _printable(text: str) -> str:
    """Replace what text layout refuses or draws as a box: line breaks and other controls, lone surrogates."""
    text = "".join(" " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char for char in text)
    # A number that follows a name written from right to left would be drawn on the name's other side.
    text = _RIGHT_TO_LEFT.sub(rf"{_LEFT_TO_RIGHT}\g<0>{_LEFT_TO_RIGHT}", text)
    return text.encode("utf-8", "replace").decode("utf-8")


def text_block(text: str, size: int, color: Color = DARK) -> RGB:
    """One line of text on white, as high as the font's line; read-only because it is shared."""
    return _text_block(text, size, color, current_font())


@lru_cache(maxsize=512)  # a look needs some 150; a long title is a tenth of a megabyte
def _text_block(text: str, size: int, color: Color, font: str | None) -> RGB:
    ascent, descent = load_font(font, size).getmetrics()
    text = _printable(text)
    width = max(1, math.ceil(_text_width(text, size, font)))
    image = Image.new("RGB", (width, ascent + descent), "white")
    left = 0.0
    for piece, path, is_wide in _pieces(text, font):
        wanted = round(size * _WIDE_SCALE) if is_wide else size
        face, ink = load_font(path, wanted), _DARKER.get(color, color) if _FINE.search(piece) else color
        if face.size == wanted:
            baseline = ascent + round(size * _WIDE_DROP) if is_wide else ascent
            ImageDraw.Draw(image).text((left, baseline), piece, fill=ink, font=face, anchor="ls")
        else:
            image.paste(_emoji(piece, face, size), (round(left), ascent - round(size * _EMOJI_ASCENT)))
        left += _piece_width(piece, path, wanted)
    block = np.asarray(image)
    block.flags.writeable = False
    return block


def _emoji(text: str, face: ImageFont.FreeTypeFont, size: int) -> Image.Image:
    """Text in a font of colored bitmaps, brought to the size of the text around it."""
    natural = Image.new("RGB", (max(1, math.ceil(face.getlength(text))), sum(face.getmetrics())), "white")
    ImageDraw.Draw(natural).text((0, 0), text, font=face, embedded_color=True)
    factor = size / face.size
    return natural.resize((max(1, round(natural.width * factor)), max(1, round(natural.height * factor))))


def text_width(text: str, size: int) -> float:
    """Width of a line in pixels."""
    return _text_width(text, size, current_font())


@lru_cache(maxsize=8192)
def _text_width(text: str, size: int, font: str | None) -> float:
    return sum(
        _piece_width(piece, path, round(size * _WIDE_SCALE) if is_wide else size)
        for piece, path, is_wide in _pieces(_printable(text), font)
    )


def _pieces(text: str, font: str | None) -> Iterator[tuple[str, str | None, bool]]:
    """Pieces of a text with the font of each, and whether they are Chinese, Japanese or Korean that it has."""
    for piece, path in fonts_of(text, font):
        for run in filter(None, _WIDE_RUN.split(piece)):
            yield run, path, _WIDE_RUN.match(run) is not None and all(has_glyph(path, char) for char in run)


def _piece_width(piece: str, font: str | None, size: int) -> float:
    face = load_font(font, size)
    return face.getlength(piece) * size / face.size


def line_height(size: int) -> int:
    """Height of a line in pixels."""
    return sum(load_font(current_font(), size).getmetrics())


def shortened(text: str, width: float, size: int) -> str:
    """Leave out the middle of a text that is too wide: a probability or the layer's last name stands at the end.

    A short last word stays whole where it leaves room for others: ``0.1%`` must not become ``1%``.
    """
    if text_width(text, size) <= width:
        return text
    found = _SHORT_END.search(text)
    end = found[0] if found and text_width(ELLIPSIS + found[0], size) <= width * 0.6 else ""
    body = text[: len(text) - len(end)]
    shortest, longest = 0, len(body) - 1
    while shortest < longest:
        kept = (shortest + longest + 1) // 2
        if text_width(_without_middle(body, kept, end), size) <= width:
            shortest = kept
        else:
            longest = kept - 1
    return _without_middle(body, shortest, end)


def _without_middle(text: str, kept: int, end: str) -> str:
    if end:
        return text[:kept].rstrip() + ELLIPSIS + end
    head = kept - kept // 3
    return text[:head].rstrip() + ELLIPSIS + text[len(text) - kept // 3 :]


def wrapped(text: str, width: float, size: int) -> list[str]:
    """Break a text at spaces, after hyphens and between wide characters into lines of at most a width.

    A single word may be wider.
    """
    if text_width(text, size) <= width:
        return [text]
    lines = [""]
    for piece in _BREAKS.split(text):
        longer = (lines[-1] + piece).strip()
        if lines[-1] and text_width(longer, size) > width:
            lines.append(piece.strip())
        else:
            lines[-1] = longer
    return [line for line in lines if line]


def in_lines(text: str, width: float, size: int, most: int = 2) -> list[str]:
    """A text in at most so many lines of a width; a line that is still too wide loses its middle.

    A word that is too wide is broken where there is a line left for it.
    """
    return list(_in_lines(text, width, size, most, current_font()))


@lru_cache(maxsize=512)
def _in_lines(text: str, width: float, size: int, most: int, _font: str | None) -> tuple[str, ...]:
    lines = wrapped(text, width, size)
    if len(lines) > most:
        lines = [*lines[: most - 1], " ".join(lines[most - 1 :])]
    for index in range(len(lines) - 1, -1, -1):
        if len(lines) < most:
            lines[index : index + 1] = _hyphenated(lines[index], width, size)
    return tuple(shortened(line, width, size) for line in lines)


def _hyphenated(word: str, width: float, size: int) -> list[str]:
    """A word in two lines if it is too wide for one, of a script whose letters stand by themselves."""
    if text_width(word, size) <= width or any(unicodedata.category(char) not in ("Lu", "Ll") for char in word):
        return [word]
    longest = len(word) - _FEWEST_LETTERS
    fitting = [n for n in range(_FEWEST_LETTERS, longest + 1) if text_width(f"{word[:n]}-", size) <= width]
    if not fitting:
        return [word]
    place = min(_SYLLABLES.get(word, longest), fitting[-1])
    return [f"{word[:place]}-", word[place:]]


def line_block(text: str, width: float, size: int, color: Color = DARK) -> RGB:
    """One line that is shortened until it fits into a width."""
    return text_block(shortened(text, width, size), size, color)
