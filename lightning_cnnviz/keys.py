"""Where something is in a batch, an item of a dataset or what a model returns: an index or a key."""

from __future__ import annotations

from typing import Any

from lightning_cnnviz.arguments import integer, wrong_kind


def required_key(name: str, value: Any) -> int | str:
    """Where something is in a batch, an item or an output: an index or a key.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(value, str):
        return value
    try:
        return integer(name, value)
    except TypeError:
        raise wrong_kind(name, "an index or a key", value) from None


def optional_key(name: str, value: Any) -> int | str | None:
    """An index, a key, or None.

    Raises:
        TypeError: it is none of these.
    """
    return None if value is None else required_key(name, value)
