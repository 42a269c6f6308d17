"""What a model's code can write to: everything that can be reached from its modules, each thing once."""

from __future__ import annotations

import functools
import random
import types
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lightning_cnnviz.guard.attributes import attributes, slots
from lightning_cnnviz.guard.left_alone import ATOMS, MUTABLE, is_a_librarys, is_looked_into

_PLAIN = (dict, OrderedDict, list, set)
GENERATORS = (torch.Generator, np.random.Generator, np.random.RandomState, np.random.BitGenerator, random.Random)

_REGISTERED = ("_parameters", "_buffers", "_modules")

_MOST = 200_000
"""How many values are looked at besides what is registered; what lies deeper than that is not seen."""


@dataclass
class Reachable:
    """What can be reached from a model, in the order of distance.

    Attributes:
        modules: the model's own, and those hidden in lists, objects and closures, with their names.
        tensors: parameters, buffers and all others, with where they are.
        arrays: of NumPy.
        containers: mutable ones of Python, and subclasses of them.
        objects: plain objects with attributes, and modules with slots.
        generators: of random numbers.
    """

    modules: dict[str, nn.Module] = field(default_factory=dict)
    tensors: list[tuple[str, Tensor]] = field(default_factory=list)
    arrays: list[tuple[str, np.ndarray[Any, Any]]] = field(default_factory=list)
    containers: list[tuple[str, Any]] = field(default_factory=list)
    objects: list[tuple[str, Any]] = field(default_factory=list)
    generators: list[tuple[str, Any]] = field(default_factory=list)


def reachable(root: nn.Module | dict[str, Any], name: str = "") -> Reachable:
    """Walks from a model's modules, or an object's attributes, through attributes, containers and objects.

    Through closures and classes only modules, tensors, arrays and generators are followed: what else a function
    refers to is the user's, such as a list in which a hook of theirs counts calls.

    Left alone is what belongs to Lightning, to torch besides modules, optimizers and distributions, to Python's library
    and to us, iterators around others, large datasets, and every object that holds a thread, a lock, a queue or a file.
    """
    return _Walk().from_(root, name)


class _Walk:
    def __init__(self) -> None:
        self.found = Reachable()
        self._seen: dict[int, Any] = {}  # with the values, as an id is only one's own as long as one lives
        self._registered: deque[tuple[str, Any]] = deque()
        self._inside: deque[tuple[str, Any]] = deque()
        self._outside: deque[tuple[str, Any]] = deque()
        self._classes: set[type] = set()  # that were looked at: a model has many modules of few classes

    def from_(self, root: nn.Module | dict[str, Any], name: str) -> Reachable:
        if isinstance(root, nn.Module):
            self._registered.extend(root.named_modules(prefix=name))
        else:
            self._inside.append((name, root))
        left = _MOST
        while self._registered or (left and (self._inside or self._outside)):
            queue = self._registered or self._inside or self._outside
            left -= queue is not self._registered
            with suppress(Exception):  # objects that cannot even be asked for their class or attributes
                self._visit(*queue.popleft(), saved=queue is not self._outside)
        return self.found

    def _visit(self, where: str, value: Any, *, saved: bool) -> None:
        # What was only seen from outside may still be found inside.
        key = id(value) if saved else -id(value)
        if key in self._seen or id(value) in self._seen:
            return
        self._seen[key] = value
        queue = self._inside if saved else self._outside
        if isinstance(value, MUTABLE):
            if saved:
                self.found.containers.append((where, value))
                if hasattr(value, "__dict__") or slots(value):
                    self.found.objects.append((where, value))
                    self._queue(queue, where, attributes(value))
            self._queue(queue, where, _members(value))
        elif isinstance(value, nn.Module):
            self._module(where, value)
        elif isinstance(value, Tensor):
            self._tensor(where, value)
        elif isinstance(value, np.ndarray):
            self.found.arrays.append((where, value))
            self._queue(queue, where, _members(value))
        elif isinstance(value, GENERATORS):
            self.found.generators.append((where, value))
        elif isinstance(value, (tuple, frozenset)):
            self._queue(queue, where, _members(value))
        elif isinstance(value, (types.FunctionType, types.MethodType, functools.partial)):
            self._function(where, value, queue)
        elif is_looked_into(value):
            if saved:
                self.found.objects.append((where, value))
            self._queue(queue, where, attributes(value))

    def _module(self, where: str, module: nn.Module) -> None:
        name = where if self.found.modules.setdefault(where, module) is module else f"{where} #{len(self._seen)}"
        self.found.modules[name] = module
        self.found.containers.append((name, vars(module)))
        for attribute, value in vars(module).items():
            if type(value) in ATOMS:
                continue
            place = f"{name}.{attribute}".lstrip(".")
            if type(value) in _PLAIN and not value:  # such as most of a module's dictionaries of hooks
                self.found.containers.append((place, value))
            elif attribute in _REGISTERED:
                self._queue(self._registered, place, [value, *_members(value)])
            else:
                self._inside.append((place, value))
        if slots(module):
            self.found.objects.append((name, module))
            self._queue(self._inside, name, attributes(module))
        self._class(name, type(module))
        if isinstance(module, torch.jit.ScriptModule):  # whose tensors live in C++
            self._queue(self._inside, name, [*module.parameters(), *module.buffers()])

    def _tensor(self, where: str, tensor: Tensor) -> None:
        self.found.tensors.append((where, tensor))
        self.found.containers.append((where, vars(tensor)))
        self._queue(self._inside, where, vars(tensor).values())
        if tensor.is_leaf and tensor.grad is not None:
            self._inside.append((where, tensor.grad))
        if hasattr(tensor, "__tensor_flatten__"):  # a wrapper around others, such as a sharded tensor
            self._queue(self._inside, where, [getattr(tensor, name) for name in tensor.__tensor_flatten__()[0]])

    def _function(self, where: str, function: Any, queue: deque[tuple[str, Any]]) -> None:
        if isinstance(function, types.MethodType):
            queue.append((where, function.__self__))
            self._queue(self._outside, where, [function.__func__])
        elif isinstance(function, functools.partial):
            self._queue(queue, where, [function.func, *function.args, function.keywords, vars(function)])
        else:
            self._queue(self._outside, where, _closure(function))

    def _class(self, where: str, cls: type) -> None:
        for owner in cls.__mro__:
            if owner not in self._classes:
                self._classes.add(owner)
                if not is_a_librarys(owner):
                    self._queue(self._outside, where, vars(owner).values())

    @staticmethod
    def _queue(queue: deque[tuple[str, Any]], where: str, values: Iterable[Any]) -> None:
        queue.extend([(where, value) for value in values if type(value) not in ATOMS])


def _members(container: Any) -> Iterable[Any]:
    if isinstance(container, dict):
        return [*dict.values(container), *dict.keys(container)]
    if isinstance(container, np.ndarray):
        return np.asarray(container).ravel().tolist() if container.dtype.hasobject else ()
    bases: tuple[Any, ...] = (list, set, deque, tuple, frozenset)
    return next(([*base.__iter__(container)] for base in bases if isinstance(container, base)), ())


def _closure(function: types.FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # it is empty yet
            continue
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    yield from vars(function).values()
