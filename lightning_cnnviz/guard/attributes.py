"""The attributes of objects, those in slots included."""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator
from typing import Any


def attributes(value: Any) -> Iterator[Any]:
    """The values of an object's attributes, those in slots included."""
    yield from getattr(value, "__dict__", {}).values()
    for name in slots(value):
        if hasattr(value, name):
            yield getattr(value, name)


def slots(value: Any) -> tuple[str, ...]:
    """The names of an object's slots."""
    cls: Any = type(value)
    return _slots_of(cls)


@functools.cache
def _slots_of(cls: Any) -> tuple[str, ...]:
    found: list[str] = []
    for owner in cls.__mro__:
        names = vars(owner).get("__slots__", ())
        names = (names,) if isinstance(names, str) else names
        found += [name for name in names if isinstance(vars(owner).get(name), types.MemberDescriptorType)]
    return tuple(found)
