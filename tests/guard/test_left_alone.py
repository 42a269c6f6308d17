"""Which objects of a model are put back, and which are left to those who write to them as well."""

from __future__ import annotations

import argparse
import contextlib
import io
import threading
import types
import warnings
from collections import UserDict
from collections.abc import Callable
from queue import Queue
from typing import Any, Generic, TypeVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from lightning_cnnviz.guard import left_alone
from lightning_cnnviz.guard.attributes import attributes, slots
from lightning_cnnviz.guard.reachable import reachable
from lightning_cnnviz.model.isolation import isolated

T = TypeVar("T")


class Plain:
    """Counts, and holds what it is given."""

    def __init__(self, **held: Any) -> None:
        vars(self).update(held, count=0)


class Indexed(Plain):
    """Has a length and items, as datasets have."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> int:
        return index


class OnlyItems(Plain):
    def __getitem__(self, index: int) -> int:
        return index


class OnlyLength(Plain):
    def __len__(self) -> int:
        return 1


def count_after_a_look(value: Any) -> int:
    """The count of an object that is raised from 0 to 1 while the model that holds it is looked at."""
    model = nn.Conv2d(1, 1, 1)
    vars(model)["kept"] = value
    value.count = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # as it is said that something could not be put back
        with isolated(model):
            value.count += 1
    return int(value.count)


ALIVE: dict[str, Callable[[], Any]] = {
    "thread": threading.Thread,
    "lock": threading.Lock,
    "lock of one thread": threading.RLock,
    "queue": Queue,
    "file": io.StringIO,
}


@pytest.mark.parametrize("kind", ALIVE)
def test_what_holds_something_alive_is_left_alone(kind: str) -> None:
    assert count_after_a_look(Plain(held=ALIVE[kind]())) == 1
    assert count_after_a_look(Plain(held=[ALIVE[kind]()])) == 0


def test_an_event_that_is_set_meanwhile_stays_set() -> None:
    model: Any = nn.Conv2d(1, 1, 1)
    model.stop = threading.Event()
    with isolated(model):
        model.stop.set()
    assert model.stop.is_set()


LARGE: dict[str, tuple[Any, Any]] = {
    "tensor": (torch.zeros(9, dtype=torch.uint8), torch.zeros(8, dtype=torch.uint8)),
    "array": (np.zeros(9, np.uint8), np.zeros(8, np.uint8)),
    "list": ([0] * 5, [0] * 4),
    "tuple": ((0,) * 5, (0,) * 4),
}


@pytest.mark.parametrize("kind", LARGE)
def test_a_dataset_is_what_has_a_length_and_items_and_holds_much(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(left_alone, "_DATASET_BYTES", 8)
    monkeypatch.setattr(left_alone, "_DATASET_ENTRIES", 4)
    large, small = LARGE[kind]
    assert count_after_a_look(Indexed(held=large)) == 1
    for other in (Indexed(held=small), OnlyItems(held=large), OnlyLength(held=large)):
        assert count_after_a_look(other) == 0


LIBRARIES = ("logging", "torch.utils", "numpy.lib", "lightning.pytorch", "pytorch_lightning", "lightning_fabric.utils")


@pytest.mark.parametrize("module", [*LIBRARIES, "lightning_utilities.core", "lightning_cnnviz.views"])
def test_objects_of_libraries_and_of_classes_derived_from_theirs_are_left_alone(module: str) -> None:
    theirs = type("Theirs", (), {"__module__": module})
    derived = type("Derived", (theirs,), {})
    assert [count_after_a_look(cls()) for cls in (theirs, derived)] == [1, 1]


def in_an_optimizer(held: Tensor) -> Any:
    parameter = nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([parameter], momentum=0.9)
    optimizer.state[parameter]["momentum_buffer"] = held
    return optimizer


def in_a_scaler(held: Tensor) -> Any:
    scaler = torch.amp.GradScaler("cpu")
    scaler._scale = held
    return scaler


def in_an_older_scaler(held: Tensor) -> Any:
    scaler = torch.cuda.amp.GradScaler(enabled=False)
    scaler._scale = held
    return scaler


class Failure(Exception):  # noqa: N818
    held: Any


class Typed(Plain, Generic[T]):
    pass


class Registry(UserDict[str, Any]):
    pass


def in_an_exception(held: Tensor) -> Any:
    failure = Failure()
    failure.held = held
    return failure


class Meter(contextlib.AbstractContextManager[Any], contextlib.ContextDecorator):
    """A context that holds something, and decorates functions."""

    held: Any

    def __exit__(self, *_: object) -> None: ...


def in_a_context(held: Tensor) -> Any:
    meter = Meter()
    meter.held = held
    return meter


LOOKED_INTO: dict[str, Callable[[Tensor], Any]] = {
    "a namespace": lambda held: types.SimpleNamespace(held=held),
    "parsed arguments": lambda held: argparse.Namespace(held=held),
    "a pruning method": prune.CustomFromMask,
    "an optimizer": in_an_optimizer,
    "a gradient scaler": in_a_scaler,
    "an older gradient scaler": in_an_older_scaler,
    "an exception": in_an_exception,
    "a generic class": lambda held: Typed[int](held=held),
    "a mapping of the user's": lambda held: Registry(held=held),
    "a context": in_a_context,
}


@pytest.mark.filterwarnings("ignore:.*GradScaler:FutureWarning")
@pytest.mark.parametrize("where", LOOKED_INTO)
def test_a_tensor_in_an_object_that_is_looked_into_is_as_before(where: str) -> None:
    model, held = nn.Conv2d(1, 1, 1), torch.tensor([1.0, 2.0])
    vars(model)["kept"] = LOOKED_INTO[where](held)

    with isolated(model):
        held.add_(1)

    assert held.tolist() == [1.0, 2.0]


def test_a_class_that_a_model_holds_is_no_object_of_it() -> None:
    model = nn.Conv2d(1, 1, 1)
    vars(model)["kind"] = Plain

    with isolated(model):
        pass

    assert reachable(model).objects == []


class OneSlot:
    __slots__ = "held"  # noqa: PLC0205 - as users write it


class Private:
    __slots__ = ("__dict__", "__held", "__weakref__")

    def keep(self, held: Any) -> None:
        self.__held = held


class Derived(OneSlot):
    __slots__ = ("absent",)


def test_the_slots_of_an_object() -> None:
    private = Private()
    assert slots(OneSlot()) == ("held",)
    assert slots(private) == ("_Private__held",)
    assert slots(Derived()) == ("absent", "held")
    assert slots(slice(1)) == ()

    private.keep(3)
    private.more = 4  # type: ignore[attr-defined]
    assert [*attributes(private)] == [4, 3]
    derived = Derived()
    derived.held = 5  # type: ignore[attr-defined]
    assert [*attributes(derived)] == [5]


def test_an_object_with_private_slots_is_as_before() -> None:
    private, model = Private(), nn.Conv2d(1, 1, 1)
    private.keep(3)
    vars(model)["kept"] = private

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with isolated(model):
            private.keep(4)

    assert [*attributes(private)] == [3]
