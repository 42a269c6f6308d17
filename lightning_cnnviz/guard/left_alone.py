"""Which objects that a model holds are left alone: those of libraries, datasets, and what others write to as well."""

from __future__ import annotations

import argparse
import array
import functools
import io
import sys
import threading
import types
import weakref
from collections import deque
from queue import Queue
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lightning_cnnviz.guard.attributes import attributes

MUTABLE = (dict, list, set, deque, bytearray, array.array)

_DATASET_ENTRIES, _DATASET_BYTES = 10_000, 2**28
"""What has a length and items is a dataset if it holds more than this, and else, say, a memory bank."""

_PRIMITIVES = (type(None), bool, int, float, complex, str, bytes, range, type(Ellipsis), types.ModuleType)
_TORCHS_ATOMS = (torch.dtype, torch.device, torch.Size, torch.layout, torch.memory_format)
ATOMS = frozenset({*_PRIMITIVES, *_TORCHS_ATOMS, types.BuiltinFunctionType, weakref.ref, types.CodeType})
_LOOKED_INTO = (
    "torch.nn",
    "torch.optim",
    "torch.amp",
    "torch.cuda.amp",
    "torch.distributions",
    "torch.quasirandom",
    "builtins",
    "abc",
    "typing",
    "collections",
    "contextlib",
)
_ROOTS_LEFT_ALONE = {
    *sys.stdlib_module_names,
    *(
        "torch",
        "numpy",
        "lightning",
        "pytorch_lightning",
        "lightning_fabric",
        "lightning_utilities",
        "lightning_cnnviz",
    ),
}
_ALIVE = (threading.Thread, type(threading.Lock()), type(threading.RLock()), Queue, io.IOBase)
"""An object that holds one of these is written to by others as well, who would lose what they wrote meanwhile."""


def is_looked_into(value: Any) -> bool:
    """Whether an object's attributes are the model's as well."""
    cls: Any = type(value)
    if isinstance(value, type) or _is_left_alone(cls):
        return False
    held = [*attributes(value)]
    if hasattr(cls, "__next__") and any(hasattr(type(one), "__next__") for one in held):
        return False  # what it wraps could not be put back with it
    if hasattr(cls, "__getitem__") and hasattr(cls, "__len__") and any(map(_is_large, held)):
        return False
    return not any(isinstance(one, _ALIVE) for one in held)


def _is_large(value: Any) -> bool:
    if isinstance(value, (Tensor, np.ndarray)):
        return value.nbytes > _DATASET_BYTES
    return isinstance(value, (*MUTABLE, tuple)) and len(value) > _DATASET_ENTRIES


@functools.cache
def _is_left_alone(cls: Any) -> bool:
    if issubclass(cls, (types.SimpleNamespace, argparse.Namespace)):
        return False
    owners: list[Any] = [*cls.__mro__[:-1]]
    return any(map(is_a_librarys, owners))


@functools.cache
def is_a_librarys(cls: Any) -> bool:
    """Whether a class belongs to a library whose objects are left alone."""
    name = cls.__module__
    return name.partition(".")[0] in _ROOTS_LEFT_ALONE and not name.startswith(_LOOKED_INTO)
