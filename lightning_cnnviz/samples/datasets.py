"""What a dataset tells about its images without being read: how they are normalised, what the classes are called."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import TypeAlias

import numpy as np
from torch import Tensor, nn

Normalization: TypeAlias = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation, one number per channel or one for all."""

BYTES: Normalization = ((0.0,), (1 / 255,))
"""What undoes, for display, values of 0 to 255."""

# Objects that answer every attribute with a fresh object would be walked for ever.
_MOST_VISITED = 200


def find_normalization(thing: object) -> Normalization | None:
    """Returns the mean and the standard deviation with which a dataset's transforms normalise its images.

    Follows ``Subset``, ``ConcatDataset``, ``DataLoader`` and other wrappers to the transforms, and those through
    ``Compose`` and ``nn.Sequential`` to the one with a ``mean`` and a ``std``: torchvision's ``Normalize`` (v1 and v2),
    the presets of ``weights.transforms()``, and whatever is built like them. Reads attributes only, never an item.

    Args:
        thing: a dataset, a wrapper around one, or a transform.

    Returns:
        ``(mean, std)``, or None where there is no normalisation, where several follow each other, or where the members
        of a ``ConcatDataset`` differ. Never raises.
    """
    try:
        found = _normalizations(thing, {})
    except _DisagreementError:
        return None
    return found[0] if len(found) == 1 else None


def find_class_names(dataset: object) -> tuple[str, ...] | None:
    """Returns the names in the ``classes`` of a dataset, found through the same wrappers as in `find_normalization`.

    Several names of one class, as in torchvision's ``ImageNet``, are joined by commas. None where there are no names,
    or where the members of a ``ConcatDataset`` differ. Never raises.
    """
    return _class_names(dataset, {})


def as_floats(value: object) -> tuple[float, ...] | None:
    """Returns a number, a sequence, an array or a tensor of numbers as a tuple; None for anything else."""
    if isinstance(value, Tensor | np.ndarray):
        value = value.flatten().tolist()
    if isinstance(value, Real):
        value = (value,)
    if isinstance(value, list | tuple):
        value = [_number(one) for one in value]
    if not isinstance(value, Sequence) or not value or not all(isinstance(number, Real) for number in value):
        return None
    return tuple(float(number) for number in value)


def _number(value: object) -> object:
    return value.item() if isinstance(value, Tensor | np.ndarray) and tuple(value.shape) in ((), (1,)) else value


def is_normalization(mean: Sequence[float], std: Sequence[float]) -> bool:
    """Whether ``x * std + mean`` can undo it: finite numbers, positive standard deviations."""
    return all(map(math.isfinite, (*mean, *std))) and all(deviation > 0 for deviation in std)


def attribute(thing: object, name: str) -> object:
    """Returns an attribute of an object we know nothing about; None if it has none, or raises."""
    try:
        return getattr(thing, name, None)
    except Exception:  # a property of the user's: whatever it raises, it does not tell us anything
        return None


class _DisagreementError(Exception):
    """The members of a ``ConcatDataset`` are normalised differently."""


def _visit(thing: object, seen: dict[int, object]) -> bool:
    """Whether `thing` is still to be visited; keeps it alive, so that no other object takes its id."""
    if thing is None or id(thing) in seen or len(seen) >= _MOST_VISITED:
        return False
    seen[id(thing)] = thing
    return True


def _members(dataset: object) -> Sequence[object]:
    members = attribute(dataset, "datasets")
    return members if isinstance(members, list | tuple) else ()


def _normalizations(thing: object, seen: dict[int, object]) -> list[Normalization]:
    if not _visit(thing, seen):
        return []
    # Members of a ConcatDataset often share one transform object: each is walked with its own memory.
    members = [_normalizations(member, dict(seen)) for member in _members(thing)]
    if any(member != members[0] for member in members):
        raise _DisagreementError
    found = [*members[0]] if members else []
    for part in _parts(thing):
        found += _normalizations(part, seen)
    # A dataset that keeps its statistics beside the Normalize made from them is normalised once.
    return found or _own_normalization(thing)


def _parts(thing: object) -> list[object]:
    # Only transforms are looked for in lists: a list in `dataset` is the data.
    parts = [attribute(thing, "dataset")]
    for name in ("transform", "transforms"):
        part = attribute(thing, name)
        parts.extend(part if isinstance(part, list | tuple) else (part,))
    if isinstance(thing, nn.Sequential | nn.ModuleList):
        parts.extend(thing)
    return parts


def _own_normalization(thing: object) -> list[Normalization]:
    # Augmentations that add noise have a mean and a std too, of the noise.
    if "noise" in type(thing).__name__.lower():
        return []
    mean, std = as_floats(attribute(thing, "mean")), as_floats(attribute(thing, "std"))
    if mean is None or std is None or not is_normalization(mean, std):
        return []
    return [(mean, std)]


def _class_names(dataset: object, seen: dict[int, object]) -> tuple[str, ...] | None:
    if not _visit(dataset, seen):
        return None
    classes = attribute(dataset, "classes")
    if isinstance(classes, list | tuple) and classes:
        return tuple(", ".join(map(str, name)) if isinstance(name, list | tuple) else str(name) for name in classes)
    members = {_class_names(member, dict(seen)) for member in _members(dataset)}
    if members:
        return members.pop() if len(members) == 1 else None
    return _class_names(attribute(dataset, "dataset"), seen)
