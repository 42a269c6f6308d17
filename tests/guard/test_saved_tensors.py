"""Tensors are as before, whatever kind they are of, and nothing is done to those that nobody touched."""

from __future__ import annotations

import copy
import types
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_cnnviz.guard import saved_tensors as under_test
from lightning_cnnviz.model.isolation import isolated
from tests.helpers.writes import Trusting

pytestmark = [
    pytest.mark.filterwarnings("error:a look may have left traces"),
    pytest.mark.filterwarnings("ignore:.*(prototype|beta)"),
]


class Wrapper(Tensor):
    """Passes every operator on to a tensor that it wraps, as sharded and quantised tensors do."""

    @staticmethod
    def __new__(cls, inner: Tensor) -> Wrapper:
        return Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype)  # type: ignore[attr-defined, no-any-return]

    def __init__(self, inner: Tensor) -> None:
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*(one.inner if isinstance(one, cls) else one for one in args), **(kwargs or {}))
        return cls(out) if isinstance(out, Tensor) else out


class Undetachable(Wrapper):
    """Implements what its project needs, and no more."""

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.detach.default:
            raise NotImplementedError
        return super().__torch_dispatch__(func, types, args, kwargs)


class Untouchable(Tensor):
    """Lets nobody change it by these."""

    refused = ("__set__", "detach_", "requires_grad_")

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.__name__ in cls.refused:
            raise AssertionError(f"{func.__name__} is called")
        return super().__torch_function__(func, types, args, kwargs)


class Unreadable(Untouchable):
    refused = ("detach", "layout", "__get__")


def ragged(layout: Any) -> Tensor:
    return torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=layout)


def masked() -> Tensor:
    return torch.masked.masked_tensor(torch.ones(2), torch.tensor([True, False]))  # type: ignore[attr-defined, no-any-return]


def look_at(value: Any, change: Callable[[Any], object]) -> nn.Module:
    model = nn.Conv2d(1, 1, 1)
    vars(model)["kept"] = value
    with isolated(model):
        change(value)
    return model


KINDS: dict[str, tuple[Callable[[], Any], Callable[[Any], object], Callable[[Any], Tensor]]] = {
    "wrapper": (lambda: Wrapper(torch.ones(2)), lambda t: t.add_(1), lambda t: t.inner),
    "wrapper of another": (lambda: Wrapper(torch.ones(2)), lambda t: vars(t).update(inner=0), lambda t: t.inner),
    "wrapper with few operators": (
        lambda: Undetachable(torch.ones(2)),
        lambda t: t.requires_grad_(),
        lambda t: torch.tensor(t.requires_grad),
    ),
    "masked": (masked, lambda t: t._masked_data.add_(1), lambda t: t._masked_data),
    "jagged": (lambda: ragged(torch.jagged), lambda t: t.values().add_(1), lambda t: t.values()),
    "nested": (lambda: ragged(torch.strided), lambda t: t.mul_(2), lambda t: torch.cat(t.unbind())),
    "mkldnn": (lambda: torch.eye(2).to_mkldnn(), lambda t: t.clone(), lambda t: t.to_dense()),
    "csr": (lambda: torch.eye(4).to_sparse_csr(), lambda t: t.values().add_(1), lambda t: t.to_dense()),
    "csc": (lambda: torch.eye(4).to_sparse_csc(), lambda t: t.values().add_(1), lambda t: t.to_dense()),
    "bsr": (lambda: torch.eye(4).to_sparse_bsr((2, 2)), lambda t: t.values().add_(1), lambda t: t.to_dense()),
    "bsc": (lambda: torch.eye(4).to_sparse_bsc((2, 2)), lambda t: t.values().add_(1), lambda t: t.to_dense()),
    "places of coo": (lambda: torch.eye(4).to_sparse(), lambda t: t._indices()[0].fill_(0), lambda t: t.to_dense()),
    "places of csr": (lambda: torch.eye(4).to_sparse_csr(), lambda t: t.col_indices().zero_(), lambda t: t.to_dense()),
    "shape of coo": (
        lambda: torch.eye(4).to_sparse(),
        lambda t: t.sparse_resize_((5, 5), 2, 0),
        lambda t: t.to_dense(),
    ),
    "untouchable": (lambda: torch.ones(2).as_subclass(Untouchable), lambda t: None, lambda t: t.as_subclass(Tensor)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("trusted", [False, True])
def test_a_tensor_of_any_kind_is_as_before(kind: str, trusted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if trusted:  # all memory is watched, and nothing copied beforehand
        monkeypatch.setattr(under_test, "_SMALL", 0)
        monkeypatch.setattr("lightning_cnnviz.guard.large_memory._COPIED_AT_ONCE", 0)
        monkeypatch.setattr("lightning_cnnviz.guard.large_memory._trusted", Trusting())
    make, change, read = KINDS[kind]
    value = make()
    before = read(value).clone()
    model = look_at(value, change)
    assert vars(model)["kept"] is value
    assert torch.equal(read(value), before)


def test_a_tensor_that_cannot_be_read_is_left_alone() -> None:
    look_at(torch.ones(2).as_subclass(Unreadable), lambda tensor: None)


def test_the_attribute_of_a_parameter_is_as_before() -> None:
    weight = nn.Parameter(torch.ones(2))
    weight.calls = 0  # type: ignore[attr-defined]
    look_at(weight, lambda tensor: vars(tensor).update(calls=1, late=1))
    assert vars(weight) == {"calls": 0}


@pytest.mark.parametrize("now", [torch.ones(2), torch.ones(3, dtype=torch.bfloat16)])
def test_a_gradient_older_than_its_weights_shape_or_dtype_is_kept(now: Tensor) -> None:
    weight = nn.Parameter(torch.ones(3))
    gradient = weight.grad = torch.tensor([1.0, 2.0, 3.0])
    weight.data = now
    look_at(weight, lambda tensor: tensor.sum().backward())
    assert weight.grad is gradient
    assert gradient.tolist() == [1.0, 2.0, 3.0]
    assert (weight.shape, weight.dtype) == (now.shape, now.dtype)


def test_a_state_with_a_graph_keeps_it_and_its_gradient_in_silence() -> None:
    weight = nn.Parameter(torch.ones(2))
    state = weight * 2
    state.retain_grad()
    state.sum().backward(retain_graph=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        look_at(state, lambda tensor: tensor.data.add_(1))
    assert state.tolist() == [2.0, 2.0]
    assert state.grad is not None
    state.sum().backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [4.0, 4.0]


def test_a_view_that_got_a_graph_can_be_copied_again() -> None:
    mean, weight = torch.zeros(3, 2)[:, 0], nn.Parameter(torch.ones(1))
    look_at(mean, lambda tensor: tensor.mul_(0.9).add_(weight.mean()))
    assert copy.deepcopy(mean).tolist() == [0.0, 0.0, 0.0]
    assert mean.is_leaf


@pytest.mark.parametrize(("held", "written"), [(1, True), (2, True), (2, False)])
def test_a_view_is_still_a_part_of_its_buffer(held: int, written: bool) -> None:
    mean, weight = torch.zeros(3), nn.Parameter(torch.ones(1))
    first = mean[:1]
    look_at([mean, first][:held], lambda tensors: tensors[0].add_(weight) if written else None)
    assert mean.is_leaf
    first.add_(weight)
    assert mean.requires_grad
    assert mean.tolist() == [1.0, 0.0, 0.0]


def test_a_weight_of_which_a_part_is_kept_still_trains() -> None:
    weight = nn.Parameter(torch.ones(2))
    with torch.no_grad():
        part = weight[:1]
    look_at(part, lambda tensor: None)
    assert weight.requires_grad


def test_a_graph_through_sparse_weights_lives_through_a_look() -> None:
    adjacency, weight = torch.eye(2).to_sparse(), nn.Parameter(torch.ones(2, 2))
    loss = torch.sparse.mm(adjacency, weight).sum()
    look_at(adjacency, lambda tensor: None)
    loss.backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_memory_is_copied_together_with_that_of_its_device_only(monkeypatch: pytest.MonkeyPatch) -> None:
    first, other, second = (
        types.SimpleNamespace(device=torch.device(name), nbytes=lambda: 4) for name in ("cpu", "cuda", "cpu")
    )
    monkeypatch.setattr(under_test, "SavedMemory", list)
    groups = [*under_test._saved_memory(nn.Identity(), [first, other, second], watchable=True)]  # type: ignore[list-item]
    assert groups[:-1] == [[first, second], [other]]
