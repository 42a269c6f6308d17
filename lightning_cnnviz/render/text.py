"""Text as blocks of pixels, set with Pillow in a real font."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from lightning_cnnviz.output.artifacts import RGB

Color: TypeAlias = tuple[int, int, int]

DARK: Color = (38, 38, 38)
MUTED: Color = (105, 105, 105)
RIGHT: Color = (0, 92, 160)
WRONG: Color = (200, 80, 0)
"""Blue and orange, which all kinds of color vision tell apart; a tick and a cross stand beside them."""

_ELLIPSIS = "…"
_font: ContextVar[str | None] = ContextVar("font", default=None)
_NOT_A_CHARACTER = "\uffff"


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


def missing_glyphs(text: str, font: str | None = None) -> set[str]:
    """Characters that a font lacks, and that therefore show as a box.

    Args:
        text: what is to be written, such as all class names in one string.
        font: path of a font file; ``None`` for DejaVu Sans.

    Returns:
        The missing characters, without spaces and control characters.

    Raises:
        ValueError: if ``font`` cannot be loaded.

    Example:
        >>> missing_glyphs("Hund 狗")
        {'狗'}
    """
    return {char for char in set(_printable(text)) if not char.isspace() and _shows_as_box(char, font)}


@lru_cache(maxsize=4096)
def _shows_as_box(char: str, font: str | None) -> bool:
    face = load_font(font, 32)
    return bytes(face.getmask(char)) == bytes(face.getmask(_NOT_A_CHARACTER))


@lru_cache(maxsize=128)
def load_font(font: str | None, size: int) -> ImageFont.FreeTypeFont:
    """A font file at a size in pixels; ``None`` is the DejaVu Sans that comes with matplotlib."""
    try:
        return ImageFont.truetype(_default_font() if font is None else font, size)
    except OSError as error:
        raise ValueError(f"font must be the path of a font file that can be loaded, got {font!r}: {error}") from error


def _default_font() -> str:
    # find_spec gives the folder without importing matplotlib, which takes longer than drawing a picture.
    spec = find_spec("matplotlib")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the default font comes with matplotlib, which is not installed")
    return str(Path(spec.submodule_search_locations[0], "mpl-data", "fonts", "ttf", "DejaVuSans.ttf"))


def _printable(text: str) -> str:
    """Replace what text layout refuses or draws as a box: line breaks and other controls, lone surrogates."""
    text = "".join(" " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char for char in text)
    return text.encode("utf-8", "replace").decode("utf-8")


def text_block(text: str, size: int, color: Color = DARK) -> RGB:
    """One line of text on white, as high as the font's line; read-only because it is shared."""
    return _text_block(text, size, color, current_font())


@lru_cache(maxsize=512)  # a look needs some 150; a long title is a tenth of a megabyte
def _text_block(text: str, size: int, color: Color, font: str | None) -> RGB:
    face = load_font(font, size)
    text = _printable(text)
    image = Image.new("RGB", (max(1, math.ceil(face.getlength(text))), sum(face.getmetrics())), "white")
    ImageDraw.Draw(image).text((0, 0), text, fill=color, font=face)
    block = np.asarray(image)
    block.flags.writeable = False
    return block


def text_width(text: str, size: int) -> float:
    """Width of a line in pixels."""
    return _text_width(text, size, current_font())


@lru_cache(maxsize=8192)
def _text_width(text: str, size: int, font: str | None) -> float:
    return load_font(font, size).getlength(_printable(text))


def line_height(size: int) -> int:
    """Height of a line in pixels."""
    return sum(load_font(current_font(), size).getmetrics())


def common_size(texts: Iterable[str], width: float, size: int) -> int:
    """The size at which the widest text fits into a width, but never less than two thirds of the given one."""
    widest = max((text_width(text, size) for text in texts), default=0.0)
    smallest = math.ceil(size * 2 / 3)
    return size if widest <= width else max(smallest, math.floor(size * width / widest))


def shortened(text: str, width: float, size: int) -> str:
    """Leave out the middle of a text that is too wide: a probability or the layer's last name stands at the end."""
    if text_width(text, size) <= width:
        return text
    shortest, longest = 0, len(text) - 1
    while shortest < longest:
        kept = (shortest + longest + 1) // 2
        if text_width(_without_middle(text, kept), size) <= width:
            shortest = kept
        else:
            longest = kept - 1
    return _without_middle(text, shortest)


def _without_middle(text: str, kept: int) -> str:
    head = kept - kept // 3
    return text[:head].rstrip() + _ELLIPSIS + text[len(text) - kept // 3 :]


def wrapped(text: str, width: float, size: int) -> list[str]:
    """Break a text at its spaces into lines of at most a width; a single word may be wider."""
    if text_width(text, size) <= width:
        return [text]
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if lines[-1] and text_width(longer, size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def line_block(text: str, width: float, size: int, color: Color = DARK) -> RGB:
    """One line that is made smaller, then shortened, until it fits into a width."""
    fitting = common_size([text], width, size)
    return text_block(shortened(text, width, fitting), fitting, color)
