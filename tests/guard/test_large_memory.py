"""Large memory is copied before something writes to it, and not at all where nothing does."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.overrides import _get_current_function_mode_stack
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

from lightning_cnnviz.guard import large_memory
from lightning_cnnviz.guard.saved_memory import SavedMemory
from lightning_cnnviz.model.isolation import isolated

IMAGES = torch.ones(2, 8)


class Linear(nn.Module):
    """A layer that does something to its weight while it is called."""

    def __init__(self, write: Callable[[Tensor], object] = lambda weight: None) -> None:
        super().__init__()
        self.write = write
        self.weight = nn.Parameter(torch.eye(8))
        self.frozen = nn.Parameter(torch.ones(8, 8), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        self.write(self.weight)
        return x @ self.weight.t() @ self.frozen


@pytest.fixture(autouse=True)
def _everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightning_cnnviz.guard.saved_tensors._SMALL", 0)
    monkeypatch.setattr(large_memory, "_COPIED_AT_ONCE", 0)


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes of every copy that is made of large memory."""
    sizes: list[int] = []

    class Counted(SavedMemory):
        def __init__(self, storages: list[torch.UntypedStorage], *, on_host: bool = False) -> None:
            super().__init__(storages, on_host=on_host)
            sizes.extend(storage.nbytes() for storage in storages)

    monkeypatch.setattr(large_memory, "SavedMemory", Counted)
    return sizes


def look(model: nn.Module) -> None:
    with isolated(model):
        images = IMAGES.clone().requires_grad_()
        torch.autograd.grad(model(images).sum(), images)


def from_a_thread(weight: Tensor) -> None:
    thread = threading.Thread(target=lambda: weight.data.add_(1.0))
    thread.start()
    thread.join()


def by_pointer(weight: Tensor) -> None:
    (ctypes.c_float * 2).from_address(weight.data_ptr())[1] = 7.0


WRITES: dict[str, Callable[[Tensor], object]] = {
    "data": lambda weight: weight.data.add_(1.0),
    "view": lambda weight: weight.detach().view(-1)[3:5].zero_(),
    "out": lambda weight: torch.add(torch.ones(8, 8), 1.0, out=weight.data),
    "list of tensors": lambda weight: torch._foreach_add_([torch.zeros(2), weight.data], 1.0),
    "numpy": lambda weight: weight.detach().numpy().fill(5.0),
    "array": lambda weight: np.asarray(weight.detach()).fill(5.0),
    "dlpack": lambda weight: torch.from_dlpack(weight.detach()).fill_(5.0),
    "storage": lambda weight: torch.empty(0).set_(weight.untyped_storage()).fill_(5.0),
    "pointer": by_pointer,
    "resized": lambda weight: weight.untyped_storage().resize_(1024),
    "compiled": lambda weight: torch.compile(lambda tensor: tensor.add_(1.0), backend="eager")(weight.data),
    "scripted": lambda weight: torch.jit.script(scripted)(weight.data),
}


def scripted(tensor: Tensor) -> Tensor:
    return tensor.add_(1.0)


@pytest.mark.parametrize(
    "write",
    [pytest.param(write, id=name, marks=[pytest.mark.slow] * (name == "compiled")) for name, write in WRITES.items()],
)
def test_whatever_is_written_in_a_later_look_is_put_back(write: Callable[[Tensor], object], copied: list[int]) -> None:
    model = Linear()
    look(model)
    copied.clear()
    before, frozen = model.weight.detach().clone(), model.frozen.detach().clone()
    model.write = write
    look(model)
    assert torch.equal(model.weight, before)
    assert torch.equal(model.frozen, frozen)
    assert copied == [256], "the weight that is written to, and not the other one"


class WritesInBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, output: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        return output.clone()

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None]:
        (weight,) = ctx.saved_tensors  # type: ignore[attr-defined]
        weight.data.mul_(3.0)
        return gradients[0], None


def test_what_the_backward_pass_writes_is_put_back(copied: list[int]) -> None:
    class Model(Linear):
        def forward(self, x: Tensor) -> Tensor:
            output: Tensor = WritesInBackward.apply(super().forward(x), self.weight)
            return output

    model = Model()
    look(model)
    copied.clear()
    look(model)
    assert torch.equal(model.weight, torch.eye(8))
    assert copied == [256]


def test_nothing_is_copied_where_nothing_is_written(copied: list[int]) -> None:
    model = Linear()
    look(model)
    assert copied == [256, 256], "the first look does not trust the watch"
    look(model)
    assert copied == [256, 256]


def test_a_write_that_the_watch_misses_is_put_back_and_ends_the_trust(copied: list[int]) -> None:
    model = Linear(from_a_thread)
    for _ in range(3):
        look(model)
        assert torch.equal(model.weight, torch.eye(8))
    assert copied == 3 * [256, 256]


def test_an_operator_of_somebody_else_is_taken_to_write_to_all_that_it_gets(copied: list[int]) -> None:
    with torch.library._scoped_library("cnnviz_test", "DEF") as library:
        library.define("scale(Tensor x) -> Tensor")
        library.impl("scale", lambda x: x.detach().mul_(2.0).clone(), "CompositeExplicitAutograd")
        model = Linear()
        look(model)
        copied.clear()
        model.write = torch.ops.cnnviz_test.scale
        look(model)
    assert torch.equal(model.weight, torch.eye(8))
    assert copied == [256]


@pytest.mark.parametrize("interrupt", [RuntimeError, KeyboardInterrupt])
def test_the_watch_ends_with_the_look_whatever_happens_in_it(interrupt: type[BaseException]) -> None:
    def leave(weight: Tensor) -> None:
        raise interrupt

    with pytest.raises(interrupt):
        look(Linear(leave))
    assert _get_current_dispatch_mode_stack() == _get_current_function_mode_stack() == []


def test_a_few_bytes_are_copied_without_a_watch(monkeypatch: pytest.MonkeyPatch, copied: list[int]) -> None:
    monkeypatch.setattr(large_memory, "_COPIED_AT_ONCE", 512)
    watched: list[object] = []
    model = Linear(lambda weight: watched.extend(_get_current_dispatch_mode_stack()))
    look(model)
    look(model)
    assert copied == [256, 256, 256, 256]
    assert not watched


def test_a_higher_order_operator_runs_under_the_watch(copied: list[int]) -> None:
    model = Linear()
    look(model)
    model.write = lambda weight: torch.cond(weight.sum() > 0, lambda x: x + 1, lambda x: x, (weight,))
    look(model)
    assert torch.equal(model.weight, torch.eye(8))
