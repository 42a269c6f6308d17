"""Tags in stores that forbid some of their characters."""

from __future__ import annotations

import re

_ESCAPED = re.compile(r"_x([0-9a-f]+)_")


def escape(tag: str, forbidden: str) -> str:
    """A tag without forbidden characters, from which :func:`unescape` makes the tag again.

    Args:
        tag: any text.
        forbidden: a regular expression for one character, which must allow letters, digits and ``_``.

    Example:
        >>> escape("grad_cam/block:0", "[^a-zA-Z0-9_/]")
        'grad_cam/block_x3a_0'
        >>> unescape("grad_cam/block_x3a_0")
        'grad_cam/block:0'
    """
    # What looks escaped already must come back as it was, too.
    tag = _ESCAPED.sub(lambda found: _code("_") + found[0][1:], tag)
    return re.sub(forbidden, lambda found: _code(found[0]), tag)


def unescape(name: str) -> str:
    """The tag that :func:`escape` made the name of."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), name)


def _code(character: str) -> str:
    return f"_x{ord(character):x}_"
