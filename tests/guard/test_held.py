"""What a model holds by partials and arrays, by slots and classes of modules, is as before."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from lightning_cnnviz.model.isolation import isolated


class Holder(nn.Module):
    """Holds a value that is not registered."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


def look_while(value: Any, change: Callable[[], object]) -> None:
    """Lets something change while a model that holds a value is looked at."""
    with isolated(Holder(value)):
        change()


class Counting:
    """Counts by a method, and when it is called."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1

    def method(self) -> None:
        self.count += 1


BOUND: dict[str, Callable[[Counting], Any]] = {
    "argument": lambda counting: functools.partial(print, counting),
    "keyword": lambda counting: functools.partial(print, to=counting),
    "in a list": lambda counting: functools.partial(print, [counting]),
    "object of its method": lambda counting: functools.partial(counting.method),
    "what it calls": functools.partial,
    "in an array": lambda counting: np.array([counting, None], dtype=object),
}


@pytest.mark.parametrize("where", BOUND)
def test_what_a_partial_or_an_array_of_the_model_holds_is_as_before(where: str) -> None:
    counting = Counting()
    look_while(BOUND[where](counting), counting)
    assert counting.count == 0


def test_what_is_bound_in_a_partial_and_its_attributes_are_as_before() -> None:
    value = functools.partial(print, end="")

    def rebind() -> None:
        value.keywords.update(end="!", sep="")
        value.calls = 1  # type: ignore[attr-defined]

    look_while(value, rebind)

    assert value.keywords == {"end": ""}
    assert not hasattr(value, "calls")


class Slotted(nn.Module):
    """Counts in a slot, and has two more: for an average, and of the name of a parameter."""

    __slots__ = ("__private", "absent", "average", "count", "weight")

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))
        self.average, self.count, self.__private = torch.zeros(2), 0, 0

    def forward(self, images: Tensor) -> Tensor:
        self.count += 1
        self.__private += 1
        self.average.add_(1)
        self.absent = [images]
        return images

    def state(self) -> Any:
        return self.count, self.__private, self.average.tolist(), hasattr(self, "absent")


class Derived(Slotted):
    """Has them by its base."""


@pytest.mark.parametrize("cls", [Slotted, Derived])
@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.filterwarnings("error")
def test_slots_of_a_module_are_as_before(cls: Any, *, hidden: bool) -> None:
    module = cls()
    model = nn.Sequential(module)
    with isolated(nn.Sequential(nn.Conv2d(1, 1, 1), Holder([module])) if hidden else model):
        model(torch.zeros(1))
    assert module.state() == (0, 0, [0.0, 0.0], False)


@pytest.mark.filterwarnings("error")
def test_a_slot_does_not_take_over_the_parameter_of_its_name() -> None:
    module = Slotted()
    with isolated(module):
        module(torch.zeros(1))
    module.register_parameter("weight", nn.Parameter(torch.ones(2)))
    assert module.weight.tolist() == [1.0, 1.0]


def test_a_slot_that_holds_something_else_is_emptied_or_filled_and_no_other_is_written() -> None:
    module = Slotted()
    kept = module.average
    with isolated(module):
        module.average = torch.ones(2)
        module.absent = 1
        del module.count
    assert module.average is kept
    assert module.state() == (0, 0, [0.0, 0.0], False)


class Unready(nn.Module):
    """Makes its layer in its first call, and is another module from then on."""

    def forward(self, images: Tensor) -> Tensor:
        self.layer = nn.Conv2d(1, 2, 1)
        self.__class__ = Ready  # type: ignore[assignment]
        layer: Tensor = self.layer(images)
        return layer


class Ready(nn.Module):
    layer: nn.Module

    def forward(self, images: Tensor) -> Tensor:
        layer: Tensor = self.layer(images)
        return layer


@pytest.mark.filterwarnings("error")
def test_a_module_that_changes_its_class_in_its_first_call_is_as_before() -> None:
    model = nn.Sequential(Unready())
    with isolated(model):
        model(torch.zeros(1, 1, 2, 2))
        assert type(model[0]) is Ready
    assert type(model[0]) is Unready
    assert "layer" not in model[0]._modules
    assert model(torch.zeros(1, 1, 2, 2)).shape[1] == 2


class Closed:
    __slots__ = ("number",)


class Open:
    __slots__ = ("number",)


def test_an_object_that_changes_its_class_is_as_before_with_the_slots_it_had() -> None:
    value = Closed()
    value.number = 3

    def change() -> None:
        value.__class__ = Open  # type: ignore[assignment]
        value.number = 4

    look_while(value, change)

    assert type(value) is Closed
    assert value.number == 3


def test_a_parametrization_that_a_call_registers_is_taken_back() -> None:
    model = nn.Conv2d(1, 1, 1)
    with isolated(model):
        parametrizations.weight_norm(model)
    assert type(model) is nn.Conv2d
    assert isinstance(model.weight, nn.Parameter)
