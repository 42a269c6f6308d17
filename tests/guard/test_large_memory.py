"""Large memory is copied before something writes to it, and not at all where nothing does."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, _ops
from torch.overrides import _get_current_function_mode_stack
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode_stack
from torch.utils.flop_counter import FlopCounterMode

from lightning_cnnviz.guard import large_memory
from tests.helpers.large_memory import Linear, look

pytestmark = pytest.mark.usefixtures("everything_is_large")


def by_pointer(memory: Tensor | torch.TypedStorage) -> None:
    (ctypes.c_float * 2).from_address(memory.data_ptr())[1] = 7.0


class Choosy(Tensor):
    """Answers to nothing but what it is made for, as in torch's tutorial on extending it."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return super().__torch_function__(func, types, args, kwargs) if func is Tensor.numpy else NotImplemented


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
    "storage's pointer": lambda weight: by_pointer(weight.storage()),
    "array on CUDA": lambda weight: hasattr(weight, "__cuda_array_interface__"),
    "shared": lambda weight: weight.data.share_memory_(),
    "subclass": lambda weight: weight.data.as_subclass(Choosy).numpy().fill(5.0),
    "resized": lambda weight: weight.untyped_storage().resize_(1024),
    "resized as FSDP does": lambda weight: weight._typed_storage()._resize_(128),
    "compiled": lambda weight: torch.compile(lambda tensor: tensor.add_(1.0), backend="eager")(weight.data),
    "scripted": lambda weight: torch.jit.script(scripted)(weight.data),
}


def scripted(tensor: Tensor) -> Tensor:
    return tensor.add_(1.0)


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
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
        FlopCounterMode().__enter__()  # and there is no time to leave it
        raise interrupt

    with pytest.raises(interrupt):
        look(Linear(leave))
    assert _get_current_dispatch_mode_stack() == _get_current_function_mode_stack() == []


def test_a_higher_order_operator_runs_under_the_watch(copied: list[int]) -> None:
    model = Linear()
    look(model)
    model.write = lambda weight: torch.cond(weight.sum() > 0, lambda x: x + 1, lambda x: x, (weight,))
    look(model)
    assert torch.equal(model.weight, torch.eye(8))


def test_where_each_higher_order_operator_must_be_told_of_a_watch_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    operator = torch.ops.higher_order.cond  # as in torch 2.6
    monkeypatch.delattr(TorchDispatchMode, "supports_higher_order_operators", raising=False)
    monkeypatch.setattr(large_memory._Operations, "supports_higher_order_operators", False)
    monkeypatch.setattr(_ops, "_higher_order_ops", {"cond": operator})
    monkeypatch.setattr(operator, "python_key_table", {**operator.python_key_table})
    model = Linear(lambda weight: torch.cond(weight.sum() > 0, lambda x: x + 1, lambda x: x, (weight,)))
    look(model)
    assert torch.equal(model.weight, torch.eye(8))


@pytest.mark.slow
def test_the_watch_does_not_import_the_compiler() -> None:
    look_at = """
import sys, torch
from lightning_cnnviz.guard import large_memory
from lightning_cnnviz.model.isolation import isolated
large_memory._COPIED_AT_ONCE = 0
model = torch.nn.Linear(200, 200)
with isolated(model):
    model(torch.ones(1, 200))
assert large_memory._trusted[model]
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", look_at], check=True)
