"""What a dataset tells about its images without being read: how they are normalised, what the classes are called."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import TypeAlias

import numpy as np
from torch import Tensor, nn

from lightning_cnnviz.samples.truth import WITHOUT_CLASS

Normalization: TypeAlias = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation, one number per channel or one for all."""

BYTES: Normalization = ((0.0,), (1 / 255,))
"""What undoes, for display, values of 0 to 255."""

_NAMES = ("classes", "class_names", "CLASSES", "id2label", "class_to_idx")
_WRAPPED = ("dataset", "base_dataset", "_dataset", "ds", "subset", "wrapped", "inner", "model")

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
    """Returns the names of the classes of a dataset, datamodule or model, found through the same wrappers.

    They are looked for in ``classes``, ``class_names``, ``CLASSES``, ``id2label``, ``class_to_idx``, in the ``config``
    of HuggingFace's models and in the ``features`` of its datasets. Several names of one class, as in torchvision's
    ``ImageNet``, are joined by commas. None where there are no names, or where the members of a ``ConcatDataset``
    differ. Never raises.
    """
    try:
        return _class_names(dataset, {})
    except Exception:  # attributes of the user's that are not what they seem
        return None


def count_classes(dataset: object) -> int | None:
    """Returns how many classes a dataset has, by their names or by its list of labels; None where it does not say."""
    names = find_class_names(dataset)
    return len(names) if names is not None else _listed_classes(dataset, {})


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
    parts = [attribute(thing, name) for name in _WRAPPED[:-1]]
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
    for name in _NAMES:
        names = _as_names(attribute(dataset, name))
        if names is not None:
            return names
    features = attribute(dataset, "features")
    for feature in (features.get("label"), features.get("labels")) if isinstance(features, Mapping) else ():
        names = _as_names(attribute(feature, "names"))
        if names is not None:
            return names
    members = {_class_names(member, dict(seen)) for member in _members(dataset)}
    if members:
        return members.pop() if len(members) == 1 else None
    for name in (*_WRAPPED, "config"):
        names = _class_names(attribute(dataset, name), seen)
        if names is not None:
            return names
    return None


def _as_names(value: object) -> tuple[str, ...] | None:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        if all(isinstance(index, int) for index in value.values()):  # name to index, as in ``class_to_idx``
            value = {index: name for name, index in value.items()}
        if sorted(value) != list(range(len(value))):
            return None
        value = [value[index] for index in range(len(value))]
    if not isinstance(value, list | tuple) or not value:
        return None
    names = tuple(", ".join(map(str, name)) if isinstance(name, list | tuple) else str(name) for name in value)
    # What HuggingFace puts where nobody named the classes.
    return None if names == tuple(f"LABEL_{index}" for index in range(len(names))) else names


def _listed_classes(dataset: object, seen: dict[int, object]) -> int | None:
    if not _visit(dataset, seen):
        return None
    tensors = attribute(dataset, "tensors")
    candidates = [attribute(dataset, "targets"), attribute(dataset, "labels")]
    candidates += tensors[1:2] if isinstance(tensors, list | tuple) else []
    for labels in candidates:
        if isinstance(labels, list | tuple) and labels and all(isinstance(label, int) for label in labels):
            return len(set(labels) - WITHOUT_CLASS)
        if isinstance(labels, Tensor | np.ndarray) and labels.ndim == 1 and "int" in str(labels.dtype):
            return len(set(np.unique(np.asarray(labels)).tolist()) - WITHOUT_CLASS)
    return _listed_classes(attribute(dataset, "dataset"), seen)
