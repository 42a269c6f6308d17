"""What a model holds by partials and arrays, by slots and classes of modules, is as before."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from torch import nn

from lightning_cnnviz.model.isolation import isolated


def look_while(value: Any, change: Callable[[], object]) -> None:
    """Lets something change while a model that holds a value is looked at."""
    model = nn.Conv2d(1, 1, 1)
    vars(model)["kept"] = value
    with isolated(model):
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
