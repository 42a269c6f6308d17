"""Containers, objects and arrays of a model are as before, whatever their own methods do."""

from __future__ import annotations

import array
import random
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lightning_cnnviz.guard.reachable import reachable
from lightning_cnnviz.guard.saved_objects import SavedContainer, SavedMapping, SavedSlots
from lightning_cnnviz.guard.saved_tensors import SavedArray
from lightning_cnnviz.model.isolation import isolated


def _refuse(*_: Any, **__: Any) -> Any:
    raise AssertionError("a method of the user's is called")


METHODS = (
    "items",
    "keys",
    "values",
    "get",
    "clear",
    "update",
    "extend",
    "__setitem__",
    "__delitem__",
    "__iter__",
    "__len__",
)


@pytest.mark.parametrize("base", [dict, OrderedDict, list, set, deque, bytearray])
def test_none_of_a_containers_own_methods_is_called(base: Any) -> None:
    contents: Any = {1: 2, 3: 4} if issubclass(base, dict) else [1, 3]
    cls = type("Own", (base,), {})
    value: Any = cls(contents)
    for name in METHODS:
        if hasattr(base, name):
            setattr(cls, name, _refuse)
    saved: Any = SavedMapping("", value) if issubclass(base, dict) else SavedContainer("", value)
    before = base.__len__(value)

    base.clear(value)
    assert saved.differs()
    saved.restore()

    assert not saved.differs()
    assert base.__len__(value) == before == 2
    assert [*base.__iter__(value)] == [1, 3]


def test_an_equal_key_or_member_is_another_one() -> None:
    one, mapping, members = 1, {1: "a"}, {1}
    saved = SavedMapping("", mapping), SavedContainer("", members)
    for container in (mapping, members):
        container.clear()
    mapping[True], _ = "a", members.add(True)
    assert all(each.differs() for each in saved)
    for each in saved:
        each.restore()
    assert next(iter(mapping)) is one
    assert next(iter(members)) is one


def test_what_nobody_wrote_to_does_not_differ() -> None:
    shrunk = set(range(100))
    for number in {*shrunk} - {2, 33}:
        shrunk.discard(number)
    assert [*shrunk] != [*set(shrunk)], "a copy that has another order"
    assert not SavedContainer("", shrunk).differs()
    assert not SavedContainer("", array.array("d", [1.5])).differs()
    assert not SavedArray("", np.array([1.5])).differs()


def test_another_object_in_an_array_is_another_one_though_it_looks_alike() -> None:
    first, second = [1], [1]
    things = np.array([None], dtype=object)
    things[0] = first
    saved = SavedArray("", things)
    things[0] = second
    saved.restore()
    assert things[0] is first


@dataclass(frozen=True, slots=True)
class Frozen:
    count: int


class Doubling(list[float]):
    """Yields other numbers than it holds."""

    def __iter__(self) -> Any:
        return (2 * number for number in list.__iter__(self))


class Slots:
    __slots__ = ("absent", "count")

    def __init__(self) -> None:
        self.count = 0


def look_while(model: nn.Module, change: Callable[[], object]) -> None:
    with isolated(model):
        change()


def holding(value: Any) -> nn.Module:
    model = nn.Conv2d(1, 1, 1)
    vars(model)["kept"] = value
    return model


def test_a_slot_of_a_frozen_object_is_as_before() -> None:
    frozen = Frozen(0)
    look_while(holding(frozen), lambda: object.__setattr__(frozen, "count", 1))
    assert frozen.count == 0


def test_a_slot_that_was_empty_is_empty_again() -> None:
    value = Slots()
    look_while(holding(value), lambda: setattr(value, "absent", 1))
    assert not hasattr(value, "absent")
    assert value.count == 0


def test_a_list_that_yields_other_numbers_than_it_holds_is_as_before() -> None:
    value = Doubling([1.0, 2.0])
    look_while(holding(value), lambda: value.append(3.0))
    assert [value[0], value[1], len(value)] == [1.0, 2.0, 2]


def test_a_slot_that_holds_something_else_differs() -> None:
    value = Slots()
    saved = SavedSlots("", value)
    assert not saved.differs()
    value.count = 1
    assert saved.differs()


@pytest.mark.parametrize("cls", [type("Plain", (), {}), type("Queue", (list,), {})])
def test_what_an_object_without_attributes_is_given_is_taken_back(cls: type) -> None:
    value = cls()
    look_while(holding(value), lambda: setattr(value, "cache", 1))
    assert not hasattr(value, "cache")


@pytest.mark.parametrize("attribute", ["new", "kept"])
def test_an_object_that_is_let_go_still_finds_the_rest_of_the_model(attribute: str) -> None:
    model, found = holding(None), []

    class Goodbye:
        def __del__(self) -> None:
            found.append(hasattr(model, "weight"))

    look_while(model, lambda: setattr(model, attribute, Goodbye()))

    assert found == [True]
    assert vars(model)["kept"] is None


@pytest.mark.parametrize("base", [set, deque])
def test_a_loop_over_a_container_of_the_model_goes_on_after_a_look(base: Any) -> None:
    value = base([1, 2])
    members = iter(value)
    first = next(members)
    look_while(holding(value), lambda: None)
    assert [first, *members] == [1, 2]


@dataclass(frozen=True)
class FrozenSlots:
    __slots__ = ("absent",)


def test_an_empty_slot_of_a_frozen_object_is_empty_again() -> None:
    frozen = FrozenSlots()
    look_while(holding(frozen), lambda: object.__setattr__(frozen, "absent", 1))
    assert not hasattr(frozen, "absent")


def test_tensors_in_a_list_that_yields_others_are_as_before() -> None:
    held = torch.ones(2)
    look_while(holding(Doubling([held])), lambda: held.add_(1))  # type: ignore[list-item]
    assert held.tolist() == [1.0, 1.0]


def test_bytes_are_as_before() -> None:
    value = bytearray(b"ab")
    look_while(holding(value), lambda: value.extend(b"c"))
    assert value == b"ab"


@pytest.mark.filterwarnings("error")
def test_what_cannot_be_put_back_hinders_nothing(tmp_path: Path) -> None:
    users = np.zeros(2)
    constant = users.view()
    constant.flags.writeable = False
    on_disk = np.memmap(tmp_path / "data", np.uint8, "w+", shape=2)

    held = [random.SystemRandom(), constant, on_disk, Slots()]
    look_while(holding(held), lambda: (users.fill(1), on_disk.fill(1)))

    assert users.tolist() == [1, 1]
    assert on_disk.tolist() == [1, 1]


def test_each_thing_is_found_once_and_two_modules_at_one_place_are_two() -> None:
    held, first, second = torch.zeros(1), nn.Identity(), nn.Identity()

    def function() -> Any:
        return held

    found = reachable(holding([held, function, first, second]))

    assert [tensor for _, tensor in found.tensors if tensor is held] == [held]
    assert {id(first), id(second)} <= {*map(id, found.modules.values())}
