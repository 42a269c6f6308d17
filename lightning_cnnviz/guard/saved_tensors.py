"""Tensors as they were: where they lie, what autograd knows of them, and every byte of their memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lightning_cnnviz.guard.large_memory import LargeMemory
from lightning_cnnviz.guard.reachable import Reachable
from lightning_cnnviz.guard.restoring import Saved
from lightning_cnnviz.guard.saved_memory import SavedMemory

_SMALL = 2**16

_SPARSE = (torch.sparse_coo, torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc)


def saved_tensors(model: nn.Module | None, found: Reachable) -> Iterator[Saved]:
    """All tensors and arrays that were found, as they are now.

    A version counter misses what is written through ``.data``, by fused kernels and by NumPy, so what counts is the
    memory itself. A few MiB of a model's are copied whole, which is quicker than to watch; more is watched. Without a
    model everything is copied.
    """
    storages: dict[int, torch.UntypedStorage] = {}
    watchable = True
    for name, tensor in found.tensors:
        # Whatever kind of tensor cannot be taken down is left as it is: nobody asked us to look at it.
        with suppress(Exception):
            if tensor.layout in _SPARSE:
                yield SavedSparse(name, tensor)
                continue
            yield SavedTensor(name, tensor)
            if _is_wrapper(tensor):  # such as a sharded tensor, whose own operators are not seen
                watchable = False
            storage = tensor.untyped_storage()
            if storage.data_ptr():  # neither on the meta device nor a wrapper's, to read which would end the process
                storages.setdefault(storage._cdata, storage)
    yield from _saved_memory(model, storages.values(), watchable=watchable)
    for name, array in found.arrays:
        if array.flags.writeable and not isinstance(array, np.memmap):
            yield SavedArray(name, array)


def _saved_memory(
    model: nn.Module | None, storages: Iterable[torch.UntypedStorage], *, watchable: bool
) -> Iterator[Saved]:
    small: dict[torch.device, list[torch.UntypedStorage]] = defaultdict(list)
    large: list[torch.UntypedStorage] = []
    for storage in storages:
        if model is None or storage.nbytes() <= _SMALL:
            small[storage.device].append(storage)
        else:
            large.append(storage)
    for together in small.values():  # in one piece, which takes half as long as one by one
        yield SavedMemory(together)
    if model is not None:
        yield LargeMemory(model, large, watchable=watchable)


def _is_wrapper(tensor: Tensor) -> bool:
    return type(tensor).__torch_dispatch__ is not Tensor.__torch_dispatch__


class SavedTensor:
    """Where a tensor lies and what autograd knows of it; its contents belong to :class:`SavedMemory`."""

    def __init__(self, name: str, tensor: Tensor) -> None:
        self.name = name
        self._tensor = tensor
        # Others have no place of their own: what they wrap or list is found by itself.
        has_place = tensor.layout is torch.strided and not tensor.is_nested and not _is_wrapper(tensor)
        self._place = tensor.detach() if has_place else None
        self._is_leaf, self._requires_grad = tensor.is_leaf, tensor.requires_grad
        self._gradient = tensor.grad if tensor.is_leaf else None
        self._hooks = [(hooks, dict(hooks)) for hooks in _tensor_hooks(tensor)]

    def set_aside(self) -> None:
        """Takes away what a ``backward()`` in the model's own code would write to or call."""
        if self._gradient is not None:
            self._tensor.grad = None
        for hooks, _ in self._hooks:
            hooks.clear()

    def differs(self) -> bool:
        """Whether it lies elsewhere, or autograd treats it otherwise."""
        tensor = self._tensor
        if (tensor.requires_grad, tensor.is_leaf) != (self._requires_grad, self._is_leaf):
            return True
        if self._is_leaf and tensor.grad is not self._gradient:
            return True
        return self._left() is not None or [*_tensor_hooks(tensor)] != [hooks for _, hooks in self._hooks]

    def restore(self) -> None:
        """Puts it back, with the gradient and the hooks that it had."""
        tensor = self._tensor
        place = self._left()
        if place is not None:
            tensor.data = place
        if self._is_leaf:
            _cut_off(tensor)
            if tensor.requires_grad != self._requires_grad:
                tensor.requires_grad_(self._requires_grad)
            if tensor.grad is not self._gradient:
                _give_gradient(tensor, self._gradient)
        for hooks in _tensor_hooks(tensor):
            if not any(hooks is kept for kept, _ in self._hooks):
                hooks.clear()
        for hooks, entries in self._hooks:
            hooks.clear()
            hooks.update(entries)

    def _left(self) -> Tensor | None:
        """Where it was, if it lies elsewhere now."""
        tensor, place = self._tensor, self._place
        if place is None:
            return None
        elsewhere = (
            tensor.shape != place.shape
            or tensor.dtype != place.dtype
            or tensor.stride() != place.stride()
            or tensor.storage_offset() != place.storage_offset()
            or tensor.untyped_storage()._cdata != place.untyped_storage()._cdata
        )
        return place if elsewhere else None


def _cut_off(tensor: Tensor) -> None:
    """Makes a leaf again of what was written in place by something that needs gradients."""
    base = tensor._base
    if base is not None and not base.is_leaf:  # before its view is asked, which would take the graph over
        base.detach_()
    if not tensor.is_leaf:
        if base is None:
            tensor.detach_()
        else:  # torch refuses to detach a view in place
            torch._C._swap_tensor_impl(tensor, tensor.detach())


def _give_gradient(tensor: Tensor, gradient: Tensor | None) -> None:
    if gradient is None or (gradient.shape, gradient.dtype) == (tensor.shape, tensor.dtype):
        tensor.grad = gradient
        return
    # It is older than the tensor's shape or dtype, and torch gives it to a tensor like itself only.
    place = tensor.data
    tensor.data = gradient.detach()
    tensor.grad = gradient
    tensor.data = place


def _tensor_hooks(tensor: Tensor) -> list[dict[Any, Any]]:
    hooks: list[Any] = [tensor._backward_hooks, tensor._post_accumulate_grad_hooks]
    return [entries for entries in hooks if entries]


class SavedSparse:
    """A sparse tensor, which is put back whole."""

    def __init__(self, name: str, tensor: Tensor) -> None:
        self.name = name
        self._tensor = tensor
        self._place = tensor.detach()
        self._copy = self._place.clone()

    def differs(self) -> bool:
        """Whether any of its parts has other bytes."""
        now, kept = _parts(self._tensor.detach()), _parts(self._copy)
        return self._tensor.shape != self._copy.shape or not all(map(torch.equal, now, kept))

    def restore(self) -> None:
        """Gives it the parts that it had."""
        if not self.differs():
            return
        now, kept = _parts(self._tensor.detach()), _parts(self._copy)
        if all(part.shape == copy.shape for part, copy in zip(now, kept, strict=True)):
            for part, copy in zip(now, kept, strict=True):
                part.copy_(copy)
        if self.differs():
            self._tensor.data = self._copy


def _parts(tensor: Tensor) -> tuple[Tensor, ...]:
    if tensor.layout is torch.sparse_coo:
        return tensor._indices(), tensor._values()
    rows = tensor.layout in (torch.sparse_csr, torch.sparse_bsr)
    indices = (tensor.crow_indices(), tensor.col_indices()) if rows else (tensor.ccol_indices(), tensor.row_indices())
    return *indices, tensor.values()


class SavedArray:
    """The contents of a NumPy array."""

    def __init__(self, name: str, array: np.ndarray[Any, Any]) -> None:
        self.name = name
        self._array = array
        self._copy = array.copy()

    def differs(self) -> bool:
        """Whether it holds other bytes, which of objects are their addresses."""
        return bool(self._array.tobytes() != self._copy.tobytes())

    def restore(self) -> None:
        """Fills it again."""
        self._array[...] = self._copy
