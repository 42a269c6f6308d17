"""A tensor is as before wherever a model keeps it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightning_cnnviz.guard.reachable import reachable
from lightning_cnnviz.model.isolation import isolated


class Held(list[int]):
    """A list with an attribute."""

    held: Tensor


class Keeper:
    """Has a method, by which alone its tensor is known."""

    def __init__(self, held: Tensor) -> None:
        self.held = held

    def method(self) -> None: ...


class Unanswering:
    """Cannot even be asked for its attributes."""

    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("no answer")


def a_list_subclass(held: Tensor) -> Any:
    kept = Held()
    kept.held = held
    return kept


def a_tensors_attribute(held: Tensor) -> Any:
    kept = torch.zeros(1)
    kept.held = held  # type: ignore[attr-defined]
    return kept


def a_default(held: Tensor) -> Any:
    def function(value: Tensor = held) -> None: ...

    return function


def a_keyword_default(held: Tensor) -> Any:
    def function(*, value: Tensor = held) -> None: ...

    return function


def a_functions_attribute(held: Tensor) -> Any:
    def function() -> None: ...

    function.held = held  # type: ignore[attr-defined]
    return function


def beside_an_empty_cell(held: Tensor) -> Any:
    def function() -> Any:
        return absent, held

    if held is None:
        absent = held
    return function


class Shy(dict[Any, Any]):
    """Does not give away what it holds."""

    def keys(self) -> Any:
        return ()

    def values(self) -> Any:
        return ()


def a_gradient(held: Tensor) -> Any:
    kept = torch.zeros(2, requires_grad=True)
    kept.grad = held
    return [kept]


def an_array_of_objects(held: Tensor, *, shape: tuple[int, ...] = (2,), writeable: bool = True) -> Any:
    kept = np.full(shape, None, dtype=object)
    kept.flat[kept.size - 1] = held
    kept.flags.writeable = writeable
    return kept


def a_field_of_an_array(held: Tensor) -> Any:
    kept = np.zeros(2, dtype=[("number", np.int64), ("object", object)])
    kept["object"][1] = [held]
    return kept


KEPT: dict[str, Callable[[Tensor], Any]] = {
    "argument of a partial": lambda held: functools.partial(print, held),
    "keyword of a partial": lambda held: functools.partial(print, held=held),
    "function of a partial": lambda held: functools.partial(a_default(held)),
    "object of a method": lambda held: Keeper(held).method,
    "attribute of a list": a_list_subclass,
    "attribute of a tensor": a_tensors_attribute,
    "default": a_default,
    "default of a keyword": a_keyword_default,
    "attribute of a function": a_functions_attribute,
    "closure with an empty cell": beside_an_empty_cell,
    "beside what cannot be asked": lambda held: [Unanswering(), held],
    "gradient": a_gradient,
    "array of objects": an_array_of_objects,
    "array of one object": lambda held: an_array_of_objects(held, shape=()),
    "array of objects in rows": lambda held: an_array_of_objects(held, shape=(2, 3)),
    "array of objects that nobody may write to": lambda held: an_array_of_objects(held, writeable=False),
    "default that is an array of objects": lambda held: a_default(an_array_of_objects(held)),
    "field of an array": a_field_of_an_array,
    "dictionary with values of its own": lambda held: Shy(held=held),
    "dictionary with keys of its own": lambda held: Shy({held: 1}),
}


@pytest.mark.parametrize("kept", KEPT)
def test_a_tensor_is_as_before_wherever_it_is_kept(kept: str) -> None:
    model, held = nn.Conv2d(1, 1, 1), torch.tensor([1.0, 2.0])
    vars(model)["kept"] = KEPT[kept](held)

    with isolated(model):
        held.add_(1)

    assert held.tolist() == [1.0, 2.0]


def test_an_attribute_of_a_class_is_as_before() -> None:
    class Shared(nn.Conv2d):
        held = torch.tensor([1.0, 2.0])

        def method(self, buffer: Tensor = torch.tensor([3.0])) -> Tensor:  # noqa: B008 - one for all calls
            return buffer.add_(1)

    model = Shared(1, 1, 1)

    with isolated(model):
        Shared.held.add_(1)
        model.method()

    assert Shared.held.tolist() == [1.0, 2.0]
    assert model.method().tolist() == [4.0]


def test_what_stands_in_a_circle_and_inside_and_outside_is_found_once() -> None:
    model, held, circle = nn.Conv2d(1, 1, 1), torch.zeros(1), [torch.zeros(1)]
    circle.append(circle)  # type: ignore[arg-type]
    vars(model)["known"] = lambda: (held, circle)
    vars(model)["kept"] = [[held]]
    found = [(where, tensor) for where, tensor in reachable(model).tensors if tensor is held or tensor is circle[0]]
    assert {where for where, _ in found} == {"kept", "known"}
    assert len(found) == 2


@pytest.mark.filterwarnings("always")
def test_a_tensor_in_the_middle_of_a_graph_is_not_asked_for_its_gradient(recwarn: pytest.WarningsRecorder) -> None:
    model = nn.Conv2d(1, 1, 1)
    vars(model)["kept"] = model.weight * 2
    reachable(model)
    assert not recwarn.list


def test_no_more_is_looked_at_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Conv2d(1, 1, 1)
    vars(model)["kept"] = [torch.zeros(1) for _ in range(50)]
    monkeypatch.setattr("lightning_cnnviz.guard.reachable._MOST", 30)

    assert len(reachable(model).tensors) < 30


class Averaging(nn.Module):
    """Has a parameter, and a buffer that it assigns anew."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))
        self.register_buffer("mean", torch.zeros(2))

    def forward(self, images: Tensor) -> Tensor:
        self.weight.data.add_(1)
        self.mean.add_(1)
        self.mean = self.mean + 1
        return images


@pytest.mark.parametrize("hidden", [False, True])
def test_what_is_registered_is_as_before_whatever_else_the_model_holds(
    monkeypatch: pytest.MonkeyPatch, *, hidden: bool
) -> None:
    monkeypatch.setattr("lightning_cnnviz.guard.reachable._MOST", 200)
    child = Averaging()
    model = nn.Sequential(nn.Identity(), nn.Sequential(nn.Identity(), child))
    history = [(number, 0.0) for number in range(300)]
    vars(model)["history"] = vars(model[0])["history"] = history
    if hidden:
        model[1] = nn.Identity()
        vars(model[1])["child"] = child
    mean = child.mean

    with isolated(model):
        child(torch.zeros(1))

    assert child.mean is mean
    assert mean.tolist() == child.weight.tolist() == [0.0, 0.0]
    assert len(reachable(model).containers) < 300
