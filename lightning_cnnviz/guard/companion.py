"""An object beside the model, such as a datamodule, as it was, as far as that is cheap."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lightning_cnnviz.guard.reachable import Reachable, reachable
from lightning_cnnviz.guard.restoring import Saved, restored
from lightning_cnnviz.guard.saved_objects import saved_objects
from lightning_cnnviz.guard.saved_tensors import saved_tensors

_MOST_BYTES = 2**26


def companion_preserved(companion: object) -> AbstractContextManager[None]:
    """Puts back afterwards what an object's own code changes in it: attributes, containers, generators, small tensors.

    Datasets are left alone, and so is the memory of tensors and arrays beyond 64 MiB in all: they are data.
    """
    return restored(lambda: _saved(companion))


def _saved(companion: object) -> list[Saved]:
    found = reachable(vars(companion), type(companion).__name__)
    return [*saved_objects(found), *saved_tensors(None, _without_data(found))]


def _without_data(found: Reachable) -> Reachable:
    left = _MOST_BYTES

    def fits(value: Tensor | np.ndarray[Any, Any]) -> bool:
        nonlocal left
        size = _size(value)
        if size > left:
            return False
        left -= size
        return True

    return replace(
        found,
        tensors=[(where, tensor) for where, tensor in found.tensors if fits(tensor)],
        arrays=[(where, array) for where, array in found.arrays if fits(array)],
    )


def _size(value: Tensor | np.ndarray[Any, Any]) -> int:
    """In bytes, those of a tensor with all that lies in one piece of memory with it."""
    if isinstance(value, Tensor):
        return value.untyped_storage().nbytes() if value.layout is torch.strided else _MOST_BYTES + 1
    return value.nbytes
