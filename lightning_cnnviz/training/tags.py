"""Which view writes under which tag."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable


class Tags:
    """No two views write under one tag: whoever comes second gets a number after it.

    TensorBoard would show the steps of both as one series, or only one of them.
    """

    def __init__(self) -> None:
        self._owners: dict[tuple[str, str], Hashable] = {}

    def claim(self, kind: str, tag: str, owner: Hashable) -> str:
        """The tag, or the tag with a number if it belongs to another owner.

        Args:
            kind: of artifact; a picture and a note may share a tag.
            tag: what the owner asks for.
            owner: who asks; the same one gets the same answer again.
        """
        number, free = 1, tag
        while self._owners.setdefault((kind, free), owner) != owner:
            number += 1
            free = f"{tag}_{number}"
        return free

    def owner(self, kind: str, tag: str) -> Hashable:
        """Who writes under a tag that was claimed."""
        return self._owners[kind, tag]


class Occurrences:
    """Tells apart what one view writes under one tag in one look."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[int, str, str]] = Counter()

    def owner(self, view: object, kind: str, tag: str) -> Hashable:
        """Who writes: the view, and how often it has written under this tag in this look."""
        key = id(view), kind, tag
        self._counts[key] += 1
        return id(view), self._counts[key]


def owned_by(owner: Hashable, view: object) -> bool:
    """Whether a view is the owner."""
    return isinstance(owner, tuple) and owner[0] == id(view)
