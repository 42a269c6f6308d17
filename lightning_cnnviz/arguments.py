"""What arguments may be: each check gives the value back in one form, or says in an error which argument is at fault.

NumPy's numbers are taken wherever Python's are.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

_LONGEST = 80  # letters of a value in a message


class ArgumentError(ValueError):
    """An argument that somebody gave names what this model does not have, or does not fit it.

    The one kind of error that may end a run, before its first step. What follows from a default is a ValueError.
    """


def integer(name: str, value: Any, *, least: int | None = None) -> int:
    """The value as int.

    Raises:
        TypeError: it is no integer; True is none, nor is an array of one.
        ValueError: it is below ``least``.
    """
    # Arrays and tensors of one element have __index__, too.
    if isinstance(value, bool) or (hasattr(value, "ndim") and not isinstance(value, Real)):
        raise wrong_kind(name, "an integer", value)
    try:
        index = operator.index(value)
    except TypeError:
        raise wrong_kind(name, "an integer", value) from None
    if abs(index) > sys.maxsize:
        raise ValueError(f"{name} must be at most {sys.maxsize}, got {shown(value)}")
    if least is not None and index < least:
        raise ValueError(f"{name} must be at least {least}, got {index}")
    return index


def positive(name: str, value: Any) -> int:
    """The value as int.

    Raises:
        ValueError: it is no integer, or below 1.
    """
    try:
        return integer(name, value, least=1)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a positive integer, got {shown(value)}") from None


def number(
    name: str, value: Any, *, least: float = -math.inf, above: float = -math.inf, most: float = math.inf
) -> float:
    """The value as float.

    Raises:
        TypeError: it is no number; True is none.
        ValueError: it is not finite, below ``least``, not above ``above``, or over ``most``.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise wrong_kind(name, "a number", value)
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if math.isfinite(found) and least <= found <= most and found > above:
        return found
    limits = {"at least": least, "above": above, "at most": most}
    allowed = [f"{word} {limit:g}" for word, limit in limits.items() if math.isfinite(limit)]
    raise ValueError(f"{name} must be {' and '.join(allowed or ['finite'])}, got {shown(value)}")


def fraction(name: str, value: Any) -> float:
    """The value as float.

    Raises:
        TypeError: it is no number.
        ValueError: it does not lie between 0 and 1.
    """
    try:
        return number(name, value, least=0, most=1)
    except ValueError:
        raise ValueError(f"{name} must lie between 0 and 1, got {shown(value)}") from None


def flag(name: str, value: Any) -> bool:
    """The value as bool.

    Raises:
        TypeError: it is neither True nor False.
    """
    if not isinstance(value, bool) and type(value).__name__ not in ("bool_", "bool"):  # NumPy's has had both names
        raise wrong_kind(name, "True or False", value)
    return bool(value)


def text(name: str, value: Any) -> str:
    """The value, if it is a string.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(value, str):
        raise wrong_kind(name, "a string", value)
    return value


def one_of(name: str, value: Any, allowed: Iterable[str]) -> None:
    """Checks a word.

    Raises:
        TypeError: it is no string.
        ValueError: it is not among those allowed.
    """
    words = tuple(allowed)
    if not isinstance(value, str) or value not in words:
        kind = ValueError if isinstance(value, str) else TypeError
        raise kind(f"{name}={shown(value)}: allowed are {', '.join(map(repr, words))}")


def sequence(name: str, value: Any, what: str, *, may_be_empty: bool = False) -> list[Any]:
    """The entries of a sequence, an array or a tensor.

    Args:
        name: of the argument.
        value: what came.
        what: what it must be, for the message.
        may_be_empty: whether there may be none.

    Raises:
        TypeError: it is nothing of that kind, or a string or a mapping.
        ValueError: it is empty and may not be.
    """
    if isinstance(value, str | bytes | bytearray | Mapping) or not isinstance(value, Iterable):
        raise wrong_kind(name, what, value)
    try:
        found: Any = value.tolist() if hasattr(value, "tolist") else list(value)
    except TypeError:  # an array without dimensions, a class
        raise wrong_kind(name, what, value) from None
    if not isinstance(found, list):
        raise wrong_kind(name, what, value)
    if not found and not may_be_empty:
        raise ValueError(f"{name} must be {what}, got none")
    return found


def all_indices(name: str, value: Any, what: str = "a sequence of indices") -> tuple[int, ...]:
    """The value as a tuple of int, counted from 0.

    Raises:
        TypeError: it is no sequence of integers.
        ValueError: it is empty, or an index is negative.
    """
    return tuple(integer(f"every entry of {name}", entry, least=0) for entry in sequence(name, value, what))


def count_or_indices(name: str, value: Any) -> int | tuple[int, ...]:
    """How many, or which ones.

    Raises:
        TypeError: it is neither an integer nor a sequence of them.
        ValueError: the number is below 1, there are no indices, or one is negative.
    """
    if isinstance(value, Iterable) and getattr(value, "ndim", 1) != 0:
        return all_indices(name, value, "a number or a sequence of indices")
    return positive(name, value)


def size(name: str, value: Any) -> tuple[int, int] | None:
    """Height and width, or None.

    Raises:
        TypeError: the value is neither None nor a sequence of integers.
        ValueError: there are not two, or one is below 1.
    """
    if value is None:
        return None
    what = "a height and a width in tokens such as (14, 14)"
    sides = sequence(name, value, what)
    if len(sides) != 2:
        raise ValueError(f"{name} must be {what}, got {shown(value)}")
    return positive(f"every side of {name}", sides[0]), positive(f"every side of {name}", sides[1])


def layer_names(name: str, value: Any) -> str | tuple[str, ...]:
    """A name, a glob or a word for layers, or several of them as a tuple.

    Raises:
        TypeError: it is neither a string nor a sequence of strings.
        ValueError: it is empty.
    """
    what = "the name of a layer, a glob or a word such as 'auto', or a sequence of those"
    if isinstance(value, str) and value:
        return value
    given = tuple(sequence(name, [value] if isinstance(value, str) else value, what))
    if not all(isinstance(entry, str) for entry in given):
        raise wrong_kind(name, what, value)
    if not all(given):
        raise ValueError(f"{name} must be {what}, got {shown(value)}")
    return given


def instance(name: str, value: Any, kind: type | tuple[type, ...], what: str) -> None:
    """Checks an object.

    Raises:
        TypeError: it is not of this kind.
    """
    if not isinstance(value, kind):
        raise wrong_kind(name, what, value)


def function(name: str, value: Any, what: str) -> None:
    """Checks what is to be called.

    Raises:
        TypeError: it cannot be.
    """
    if not callable(value):
        raise wrong_kind(name, what, value)


def shown(value: object) -> str:
    """The value as a message shows it, whatever its own ``repr`` does."""
    try:
        words = " ".join(repr(value).split())
    except Exception:
        words = f"an object of type {type(value).__name__}"
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…"


def wrong_kind(name: str, what: str, value: object) -> TypeError:
    """The error of an argument that is not what it must be."""
    return TypeError(f"{name} must be {what}, got {shown(value)}")
