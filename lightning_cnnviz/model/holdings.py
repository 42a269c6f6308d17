"""All that the modules of a model hold, taken down before a look and put back after it."""

from __future__ import annotations

import random
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from operator import is_
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lightning_cnnviz.guard.restoring import Saved

_ATOMS = {type(None), bool, int, float, complex, str, bytes, type, torch.dtype, torch.device, torch.Size}
_ATOMS |= {FunctionType, MethodType, BuiltinFunctionType, ModuleType}
_CONTAINERS = (dict, list, set, deque)
_FOREIGN = {"lightning", "pytorch_lightning", "lightning_fabric", "torch", "numpy", "builtins", "logging", "threading"}
"""Packages whose objects belong to the run, not to the model, or hold nothing that a call of it changes."""
_OF_THE_RUN = {"LightningDataModule", "Trainer", "Logger", "Callback", "Thread"}
_DEEPEST, _LONGEST = 5, 10_000
"""How deep containers and objects are followed, and how long a container may be."""


def saved_modules(model: nn.Module) -> list[Saved]:
    """Everything that the model's modules hold, and every byte of their tensors, parameters included.

    Containers and plain objects are followed, so that a queue in a dict, the average in a dataclass and the generator
    of an own noise layer come back as well. What belongs to the run is not: trainers, loggers, datasets, loaders.
    """
    saved: list[Saved] = []
    taken = _Taken()
    modules = dict(model.named_modules())
    taken.known.update(map(id, modules.values()))
    for name, module in modules.items():
        saved += taken.of(name or "the model", module)
    return saved


class _Taken:
    """What was taken down so far, so that nothing is taken down twice."""

    def __init__(self) -> None:
        self.known: set[int] = set()
        self._memories: set[int] = set()

    def of(self, name: str, holder: Any) -> Iterable[Saved]:
        """A module or plain object, and all that it holds."""
        saved: list[Saved] = [_SavedEntries(f"the attributes of {name}", vars(holder))]
        waiting: list[tuple[Any, int]] = [(value, 0) for value in vars(holder).values()]
        while waiting:
            value, depth = waiting.pop()
            if type(value) in _ATOMS or id(value) in self.known:
                continue
            self.known.add(id(value))
            found, inner = self._taken(name, value)
            saved += found
            if depth < _DEEPEST and len(inner) <= _LONGEST:
                waiting += [(entry, depth + 1) for entry in inner]
        return saved

    def _taken(self, name: str, value: Any) -> tuple[list[Saved], list[Any]]:
        """One thing taken down, and what is inside it."""
        if isinstance(value, Tensor):
            return self._tensor(name, value), []
        if isinstance(value, _CONTAINERS):
            inner = list(value.values() if isinstance(value, dict) else value)
            return [_SavedEntries(f"a {type(value).__name__} of {name}", value)], inner
        if isinstance(value, tuple):
            return [], list(value)
        state = _state_of(value)
        if state is not None:
            return [_SavedState(f"a generator of {name}", value, state)], []
        if isinstance(value, np.ndarray):
            return [_SavedArray(f"an array of {name}", value)] if value.dtype != object else [], []
        entries = vars(value) if _is_plain(value) else {}
        return [_SavedEntries(f"a {type(value).__name__} of {name}", entries)], list(entries.values())

    def _tensor(self, name: str, tensor: Tensor) -> list[Saved]:
        if tensor.layout is not torch.strided or hasattr(tensor, "__tensor_flatten__"):
            return []
        memory = tensor.untyped_storage()._cdata
        saved = _SavedTensor(name, tensor, with_memory=memory not in self._memories)
        self._memories.add(memory)
        return [saved]


def _is_plain(value: Any) -> bool:
    """Whether it is an object that a model may keep its state in, such as a dataclass, or a module that is no child."""
    kind = type(value)
    if isinstance(value, nn.Module):
        return True
    if not hasattr(value, "__dict__") or isinstance(value, type) or kind.__module__.partition(".")[0] in _FOREIGN:
        return False
    if hasattr(kind, "__next__") or (hasattr(kind, "__getitem__") and hasattr(kind, "__len__")):
        return False  # an iterator or a dataset
    return not any(base.__name__ in _OF_THE_RUN for base in kind.__mro__)


def _state_of(value: Any) -> tuple[Callable[[], Any], Callable[[Any], Any]] | None:
    """How the state of a random number generator is got and set; None for anything else."""
    if isinstance(value, torch.Generator):
        return value.get_state, value.set_state
    if isinstance(value, random.Random):
        return value.getstate, value.setstate
    if isinstance(value, np.random.RandomState):
        return value.get_state, value.set_state
    bits = getattr(value, "bit_generator", None) if isinstance(value, np.random.Generator) else value
    if isinstance(bits, np.random.BitGenerator):
        return (lambda: bits.state), (lambda state: setattr(bits, "state", state))
    return None


class _SavedEntries:
    """The entries of a container or of an object's ``__dict__``."""

    def __init__(self, name: str, container: Any) -> None:
        self.name = name
        self._container = container
        self._keys, self._values = _entries(container)

    def differs(self) -> bool:
        if not self._container and not self._values:  # as most dicts of hooks
            return False
        return not all(map(_same, _entries(self._container), (self._keys, self._values)))

    def restore(self) -> None:
        if not self.differs():
            return
        container = self._container
        # The base's own methods: those of a subclass may count, check or refuse.
        if isinstance(container, dict):
            base: Any = _base(container)
            base.clear(container)
            for key, value in zip(self._keys, self._values, strict=True):
                base.__setitem__(container, key, value)
        elif isinstance(container, set):
            set.clear(container)
            set.update(container, self._values)
        else:
            base = deque if isinstance(container, deque) else list
            base.clear(container)
            base.extend(container, self._values)


def _entries(container: Any) -> tuple[list[Any], list[Any]]:
    if not isinstance(container, dict):
        return [], list(container)
    base = _base(container)
    return list(base.keys(container)), list(base.values(container))


def _base(container: dict[Any, Any]) -> type[dict[Any, Any]]:
    return OrderedDict if isinstance(container, OrderedDict) else dict  # which keeps its order by itself


def _same(some: list[Any], others: list[Any]) -> bool:
    return len(some) == len(others) and all(map(is_, some, others))


class _SavedState:
    """The state of a random number generator."""

    def __init__(self, name: str, owner: Any, access: tuple[Callable[[], Any], Callable[[Any], Any]]) -> None:
        self.name = name
        self._owner = owner  # kept, so that its id is not given to another
        read, self._write = access
        self._state = read()

    def differs(self) -> bool:
        return False  # restored without a look: there is no common way to compare states

    def restore(self) -> None:
        self._write(self._state)


class _SavedArray:
    """The numbers in a NumPy array."""

    def __init__(self, name: str, array: np.ndarray[Any, Any]) -> None:
        self.name = name
        self._array, self._copy = array, array.copy()

    def differs(self) -> bool:
        return False  # too dear to look at twice

    def restore(self) -> None:
        if self._array.flags.writeable:
            self._array[...] = self._copy


class _SavedTensor:
    """Where a tensor lies and every byte of it: versions miss ``.data``, fused kernels and NumPy."""

    def __init__(self, name: str, tensor: Tensor, *, with_memory: bool) -> None:
        self.name = f"a tensor of {name or 'the model'}"
        self._tensor = tensor
        self._place = tensor.detach()
        self._storage = tensor.untyped_storage()
        self._bytes = self._storage.nbytes()
        has_memory = with_memory and self._bytes > 0 and tensor.device.type != "meta"
        self._copy = self._memory().clone() if has_memory else None

    def differs(self) -> bool:
        return False  # too dear to look at twice

    def restore(self) -> None:
        tensor, place = self._tensor, self._place
        moved = tensor.untyped_storage()._cdata != self._storage._cdata
        if moved or tensor.shape != place.shape or tensor.stride() != place.stride() or tensor.dtype != place.dtype:
            tensor.data = place
        if self._copy is None:
            return
        if self._storage.nbytes() != self._bytes:
            self._storage.resize_(self._bytes)
        memory = self._memory()
        if not torch.equal(memory, self._copy):
            memory.copy_(self._copy)

    def _memory(self) -> Tensor:
        memory = torch.empty(0, dtype=torch.uint8, device=self._storage.device).set_(self._storage)
        return memory.view(torch.int64) if self._bytes % 8 == 0 else memory
