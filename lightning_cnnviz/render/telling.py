"""Cutting long names so that those of one picture can still be told apart."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import lru_cache
from os.path import commonprefix

from lightning_cnnviz.render.text import ELLIPSIS, current_font, in_lines, text_width, wrapped

_BEFORE_A_NAME = re.compile(r"(?:\u200e[✓✗] )?(?:[^·]{1,12} · )?(?:(?:true|maps of|says) )?")
_BETWEEN_WORDS = re.compile(r"[\s_/.-]+")
_LONGEST_WORD = 16  # of a longer one only what follows the first difference is kept
_FEW = 4  # words of a name that may be cut within them


def lines_told_apart(text: str, width: float, size: int, most: int = 2, among: Sequence[str] = ()) -> list[str]:
    """The lines of :func:`~lightning_cnnviz.render.text.in_lines`; what is cut keeps what others do not have.

    Args:
        text: what is to be written.
        width: of a line in pixels.
        size: of the type in pixels.
        most: lines.
        among: the texts of the same picture. Of those that would be cut alike the words are kept in which they differ:
            ``a long…7 of all``, not ``a long nam… of all``. What stands before a name (``true``) does not count.
    """
    lines = in_lines(text, width, size, most)
    if not among or not any(ELLIPSIS in line for line in lines):
        return lines
    return list(_told_apart(text, width, size, most, tuple(among), current_font()))


@lru_cache(maxsize=512)
def _told_apart(
    text: str, width: float, size: int, most: int, among: tuple[str, ...], _font: str | None
) -> tuple[str, ...]:
    lines = in_lines(text, width, size, most)
    lead, name = _parted(text)
    cut = _parted(" ".join(lines))[1]
    head, tail = _shared_start([name, cut]), _shared_start([name[::-1], cut[::-1]])[::-1]
    others = [other for other in _names(among) if other != name]
    if not any(other.startswith(head) and other.endswith(tail) for other in others):
        return tuple(lines)

    def fitting(candidate: str) -> list[str] | None:
        found = wrapped(lead + candidate, width, size)
        return found if len(found) <= most and all(text_width(line, size) <= width for line in found) else None

    kept = _differing(name, others)
    if fitting(_written(name, kept)) is None:
        return tuple(in_lines(lead + ELLIPSIS + name[kept[min(1, len(kept) - 1)][0] :], width, size, most))
    return tuple(wrapped(lead + _written(name, _grown(name, kept, fitting)), width, size))


def _differing(name: str, others: Sequence[str]) -> list[tuple[int, int]]:
    """Where the words lie that tell a name from others, after its beginning, which may be empty."""
    kept = [(0, 0)]
    while others:
        place = len(_shared_start([name, *others]))
        start, stop = _word_at(name, place)
        if start <= kept[-1][1]:
            kept[-1] = (kept[-1][0], stop)
        else:
            kept.append((start, stop))
        others = [other for other in others if stop < len(name) and other.startswith(name[:stop])]
    return kept


def _word_at(name: str, place: int) -> tuple[int, int]:
    gaps = [(0, 0), *(gap.span() for gap in _BETWEEN_WORDS.finditer(name)), (len(name), len(name))]
    start = max(end for _, end in gaps if end <= place)
    stop = min((begin for begin, _ in gaps if begin > place), default=len(name))
    return start if place - start < _LONGEST_WORD else place, min(stop, place + _LONGEST_WORD)


def _grown(name: str, kept: list[tuple[int, int]], fitting: Callable[[str], list[str] | None]) -> list[tuple[int, int]]:
    """As much of the beginning as there is room for, half of it for what follows the last word that differs."""
    ends = [gap.start() for gap in _BETWEEN_WORDS.finditer(name)]
    ends = [*(ends if len(ends) >= _FEW else range(1, len(name))), len(name)]

    def longest(which: int, most: int) -> None:
        choices = [end for end in ends if kept[which][1] < end <= most]
        # The first that does not fit, by bisection: what is longer does not fit either.
        beyond = bisect_left(choices, True, key=lambda end: fitting(_written(name, changed(which, end))) is None)
        if beyond:
            kept[:] = changed(which, choices[beyond - 1])

    def changed(which: int, end: int) -> list[tuple[int, int]]:
        return [(start, end if index == which else stop) for index, (start, stop) in enumerate(kept)]

    if len(kept) > 1:
        fewest = kept[0][1]
        longest(0, kept[1][0])
        kept[0] = (0, max([fewest, *(end for end in ends if end <= kept[0][1] // 2)]))
    longest(len(kept) - 1, len(name))
    if len(kept) > 1:
        longest(0, kept[1][0])
    return kept


def _written(name: str, kept: Sequence[tuple[int, int]]) -> str:
    text, end = "", 0
    for start, stop in kept:
        if name[end:start].strip():
            text = text.rstrip() + ELLIPSIS
        elif start > end:
            text += name[end:start]
        text += name[start:stop]
        end = stop
    return text + (ELLIPSIS if end < len(name) else "")


def _shared_start(texts: list[str]) -> str:
    return commonprefix(texts)  # noqa: RUF071 - letters, and not parts of paths, are compared


@lru_cache(maxsize=16)
def _names(texts: tuple[str, ...]) -> frozenset[str]:
    return frozenset(_parted(text)[1] for text in texts)


def _parted(text: str) -> tuple[str, str]:
    """What stands before a name, and the name."""
    found = _BEFORE_A_NAME.match(text)
    end = found.end() if found else 0
    return text[:end], text[end:]
