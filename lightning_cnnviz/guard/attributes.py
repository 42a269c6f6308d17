"""The attributes of objects, those in slots included."""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator
from typing import Any

EMPTY = object()


def attributes(value: Any) -> Iterator[Any]:
    """The values of an object's attributes, those in slots included."""
    yield from getattr(value, "__dict__", {}).values()
    for name in slots(value):
        held = in_slot(value, name)
        if held is not EMPTY:
            yield held


def in_slot(value: Any, name: str) -> Any:
    """What a slot holds or ``EMPTY``, past ``__getattr__``, by which modules answer with a parameter of that name."""
    try:
        return object.__getattribute__(value, name)
    except AttributeError:
        return EMPTY


def slots(value: Any) -> tuple[str, ...]:
    """The names of an object's slots."""
    cls: Any = type(value)
    return _slots_of(cls)


@functools.cache
def _slots_of(cls: Any) -> tuple[str, ...]:
    found: list[str] = []
    for owner in cls.__mro__:
        if "__slots__" in vars(owner):  # else what a type written in C has is no slot, and often cannot be set
            found += [name for name, one in vars(owner).items() if isinstance(one, types.MemberDescriptorType)]
    return tuple(found)
