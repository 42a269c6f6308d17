"""Checking the fields of public dataclasses by their annotations."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from numbers import Integral, Real
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from lightning_cnnviz.arguments import wrong_kind

_ALSO = {int: (int, Integral), float: (float, Real), tuple: (tuple, list)}
"""What is taken where an annotation says less."""


def check_fields(instance: object) -> None:
    """Checks every field of a dataclass against the outer kind of its annotation.

    Raises:
        TypeError: one is of another kind.
    """
    for name, kinds in _kinds_of_fields(type(instance)).items():  # type: ignore[arg-type] # a class has a hash
        value = getattr(instance, name)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            allowed = " or ".join(dict.fromkeys("None" if kind is type(None) else kind.__name__ for kind in kinds))
            raise wrong_kind(name, f"of the kind {allowed}", value)


@lru_cache
def _kinds_of_fields(cls: type) -> dict[str, tuple[type, ...]]:
    hints = get_type_hints(cls)
    found = {}
    for field in dataclasses.fields(cls):
        hint = hints[field.name]
        of_union = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        kinds = [get_origin(one) or one for one in of_union]
        if Any not in kinds:
            found[field.name] = tuple(kind for one in kinds for kind in _ALSO.get(one, (one,)))
    return found
