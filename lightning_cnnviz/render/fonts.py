"""Fonts: files at a size, and which file has the glyphs of a text."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.util import find_spec
from itertools import chain, groupby
from pathlib import Path

from PIL import ImageFont

_NOT_A_CHARACTER = "\uffff"
_JOINING = ("Cf", "Mc", "Me", "Mn")  # categories of characters that mark or join others
_FROM_THE_RIGHT = ("R", "AL", "NSM")  # directions of Hebrew and Arabic letters, and of the marks on them
_SUFFIXES = (".ttf", ".otf", ".ttc")
_FIRST_EMOJI = 0x1F000
_OF_BITMAPS = 109  # the one size that fonts of colored emoji come in


@lru_cache(maxsize=256)
def load_font(font: str | None, size: int) -> ImageFont.FreeTypeFont:
    """A font file at a size in pixels; ``None`` is the DejaVu Sans that comes with matplotlib.

    Raises:
        ValueError: the file is none that can be loaded.
    """
    path = _default_font() if font is None else font
    try:
        return ImageFont.truetype(path, size)
    except OSError as error:
        try:
            return ImageFont.truetype(path, _OF_BITMAPS)
        except OSError:
            raise ValueError(
                f"font must be the path of a font file that can be loaded, got {font!r}: {error}"
            ) from error


def fonts_of(text: str, font: str | None) -> list[tuple[str, str | None]]:
    """The text in pieces, each with the font that has its glyphs: the given one, DejaVu Sans or an installed one."""
    fonts: list[str | None] = []
    for char in text:
        joins = unicodedata.category(char) in _JOINING  # what stands before it
        fonts.append(fonts[-1] if joins and fonts else _font_with(char, font))
    for index in range(1, len(text) - 1):
        # Words from right to left keep their order only within one piece.
        within = text[index].isspace() and unicodedata.bidirectional(text[index - 1]) in _FROM_THE_RIGHT
        if within and fonts[index - 1] == fonts[index + 1] and has_glyph(fonts[index - 1], text[index]):
            fonts[index] = fonts[index - 1]
    return [
        ("".join(char for char, _ in piece), which)
        for which, piece in groupby(zip(text, fonts, strict=True), key=lambda pair: pair[1])
    ]


def missing_glyphs(text: str, font: str | None = None) -> set[str]:
    """Characters that no font has, and that therefore show as a box.

    Args:
        text: what is to be written, such as all class names in one string.
        font: path of a font file; ``None`` for DejaVu Sans. What it lacks is taken from the fonts that are installed.

    Returns:
        The missing characters, without spaces and control characters.

    Raises:
        ValueError: if ``font`` cannot be loaded.
    """
    load_font(font, 32)
    shown = {char for char in text if not char.isspace() and unicodedata.category(char) not in ("Cc", "Cs", *_JOINING)}
    return {char for char in shown if not has_glyph(_font_with(char, font), char)}


def missing_glyphs_remark(names: Sequence[str] | None, font: str | None) -> str | None:
    """What to tell a user whose class names no font can show, None where all is well."""
    scripts: dict[str, list[str]] = {}
    for char in sorted(missing_glyphs("".join(names or ()), font)):
        scripts.setdefault(_script(char), []).append(char)
    if not scripts:
        return None
    shown = ", ".join(
        f"{script} ({' '.join(chars[:3])}{' …' if chars[3:] else ''})" for script, chars in scripts.items()
    )
    return f"no font has all of the class names, boxes stand for {shown}: install one (Noto) or give a file as font="


def _script(char: str) -> str:
    """What a character is written in, by the first word of its name in Unicode."""
    if unicodedata.category(char).startswith("S"):
        return "emoji and symbols"
    word = unicodedata.name(char, "").partition(" ")[0]
    return word if word == "CJK" else word.capitalize() or "others"


@lru_cache(maxsize=4096)
def _font_with(char: str, font: str | None) -> str | None:
    """The first font with a glyph for a character; the given one if there is none."""
    own = list(dict.fromkeys([font, None]))
    if ord(char) >= _FIRST_EMOJI:  # in colors, and those that are joined to one in one font
        own[:0] = [path for path in installed_fonts() if "Emoji" in path]
    return next((path for path in chain(own, _others()) if has_glyph(path, char)), font)


def _others() -> Iterator[str]:
    yield from installed_fonts()


@lru_cache(maxsize=8192)
def has_glyph(font: str | None, char: str) -> bool:
    """Whether a font file shows a character as itself, not as a box."""
    try:
        face = load_font(font, 32)
        return bytes(face.getmask(char)) != bytes(face.getmask(_NOT_A_CHARACTER))
    except (ValueError, OSError, RuntimeError):  # one of the installed files is broken, or its layout is
        return False


@lru_cache(maxsize=1)
def installed_fonts() -> tuple[str, ...]:
    """Font files of this machine, those made to complement each other (Noto) and the regular ones first.

    matplotlib's font manager would first write a list of all fonts into the user's cache, which takes seconds.
    """
    home = Path.home()
    folders = {
        "darwin": [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts"],
        "win32": [Path(os.environ.get("WINDIR", "C:/Windows"), "Fonts")],
    }.get(sys.platform, [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), home / ".local/share/fonts"])
    found = (
        Path(folder, name)
        for root in [*folders, home / ".fonts"]
        for folder, _, names in os.walk(root)
        for name in names
    )
    # A font of last resort "has" every character: as a box.
    files = [path for path in found if path.suffix.lower() in _SUFFIXES and "LastResort" not in path.name]
    return tuple(str(path) for path in sorted(files, key=_preference))


def _preference(path: Path) -> tuple[bool, bool, int, str]:
    name = path.stem
    return not name.startswith("NotoSans"), "Regular" not in name, len(name), str(path)


def _default_font() -> str:
    # find_spec gives the folder without importing matplotlib, which takes longer than drawing a picture.
    spec = find_spec("matplotlib")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the default font comes with matplotlib, which is not installed")
    return str(Path(spec.submodule_search_locations[0], "mpl-data", "fonts", "ttf", "DejaVuSans.ttf"))
