"""Tags in stores that forbid some of their characters, or tell only so many of them apart."""

from __future__ import annotations

import hashlib
import re

LONGEST_PART = 200
"""Bytes of one part of a path: file systems take 255, with all that is put behind it."""

_ESCAPED = re.compile(r"_x([0-9a-f]+)_")
_LOST_IN_PATHS = r"^/|(?<=/)/|/$|(?<![^/])\.+(?=/|$)"
"""Slashes with nothing before or behind them, and parts that are only dots: they would lead elsewhere."""
_HASH_DIGITS = 8


def escape(tag: str, forbidden: str) -> str:
    """A tag without forbidden characters that is a path as it stands; :func:`unescape` makes the tag again.

    Args:
        tag: any text.
        forbidden: a regular expression for one character, which must allow letters, digits and ``_``.

    Example:
        >>> escape("grad_cam/block:0", "[^a-zA-Z0-9_/]")
        'grad_cam/block_x3a_0'
        >>> unescape("grad_cam/block_x3a_0")
        'grad_cam/block:0'
        >>> escape("../up", ":")
        '_x2e__x2e_/up'
    """
    # What looks escaped already must come back as it was, too.
    tag = _ESCAPED.sub(lambda found: _code("_") + found[0][1:], tag)
    return re.sub(f"{forbidden}|{_LOST_IN_PATHS}", lambda found: "".join(map(_code, found[0])), tag)


def unescape(name: str) -> str:
    """The tag that :func:`escape` made the name of."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), name)


def shortened(name: str, most: int) -> str:
    """A name of at most so many bytes; the end of a longer one gives way to digits made of all of it.

    Example:
        >>> shortened("short", 20), shortened("a very long name indeed", 20)
        ('short', 'a very long-6e522085')
    """
    encoded = name.encode()
    if len(encoded) <= most:
        return name
    digits = hashlib.sha256(encoded).hexdigest()[:_HASH_DIGITS]
    return f"{encoded[: most - _HASH_DIGITS - 1].decode(errors='ignore')}-{digits}"


def with_short_parts(path: str) -> str:
    """A path whose parts can be the names of files and folders."""
    return "/".join(shortened(part, LONGEST_PART) for part in path.split("/"))


def _code(character: str) -> str:
    return f"_x{ord(character):x}_"
