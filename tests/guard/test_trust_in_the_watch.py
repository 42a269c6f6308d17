"""When large memory is watched, when it is copied all the same, and what becomes of copies that fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

from lightning_cnnviz.guard import large_memory
from lightning_cnnviz.guard.saved_memory import SavedMemory
from lightning_cnnviz.model.isolation import isolated
from tests.helpers.large_memory import Linear, from_a_thread, look

pytestmark = pytest.mark.usefixtures("everything_is_large")


def test_a_write_that_the_watch_misses_is_put_back_and_ends_the_trust(copied: list[int]) -> None:
    model = Linear(from_a_thread)
    for _ in range(3):
        look(model)
        assert torch.equal(model.weight, torch.eye(8))
    assert copied == 3 * [256, 256]


def test_a_watch_that_missed_a_write_once_is_not_trusted_again() -> None:
    model = Linear()
    for write in (from_a_thread, lambda weight: None, from_a_thread):
        model.write = write
        look(model)
        assert torch.equal(model.weight, torch.eye(8))


def test_a_watch_that_saw_nothing_has_proved_nothing() -> None:
    model = Linear(from_a_thread)
    with isolated(model):
        pass
    look(model)
    assert torch.equal(model.weight, torch.eye(8))


class Quantized(Tensor):
    """A wrapper around the tensor that holds its numbers, as those of torchao are."""

    __slots__ = ("inner",)  # as torch's DTensor has them
    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> Quantized:
        wrapper: Quantized = Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype)  # type: ignore[attr-defined]
        wrapper.inner = inner
        return wrapper

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["inner"], None

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        inside = [one.inner if isinstance(one, cls) else one for one in args]
        result = func(*inside, **(kwargs or {}))
        return cls(result) if func is torch.ops.aten.detach.default else result


def shrunk(model: Linear) -> None:
    model.frozen.data = torch.ones(8, 1)


def wrapped(model: Linear) -> None:
    vars(model)["table"] = Quantized(model.frozen.data)


@pytest.mark.parametrize("change", [shrunk, wrapped])
def test_without_a_watch_everything_is_copied_whatever_was_trusted(
    change: Callable[[Linear], None], monkeypatch: pytest.MonkeyPatch, copied: list[int]
) -> None:
    monkeypatch.setattr(large_memory, "_COPIED_AT_ONCE", 500)
    model = Linear()
    look(model)
    change(model)
    copied.clear()
    look(model)
    assert copied == [256, model.frozen.nbytes]


def test_what_a_wrapper_holds_is_as_before() -> None:
    model = Linear()
    vars(model)["table"] = Quantized(torch.ones(8, 8))
    model.write = lambda weight: vars(model)["table"].add_(1.0)
    for _ in range(2):
        look(model)
        assert torch.equal(vars(model)["table"].inner, torch.ones(8, 8))


def test_what_cannot_be_copied_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any, **options: Any) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(large_memory, "SavedMemory", full)
    with pytest.raises(torch.OutOfMemoryError), isolated(Linear()):
        pytest.fail("the model would be called")


def test_what_cannot_be_put_back_keeps_nothing_else_from_it_and_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(SavedMemory):
        def restore(self) -> None:
            super().restore()
            raise RuntimeError("the device failed")

    monkeypatch.setattr(large_memory, "SavedMemory", Failing)
    model = Linear()
    model.write = lambda weight: torch._foreach_add_([weight.data, model.frozen], 1.0)
    with pytest.warns(RuntimeWarning, match="large memory .* could not be put back: RuntimeError: the device failed"):
        look(model)
    assert torch.equal(model.weight, torch.eye(8))
    assert torch.equal(model.frozen, torch.ones(8, 8))


def test_copies_beyond_a_bound_lie_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts: list[bool] = []

    class Noted(SavedMemory):
        def __init__(self, storages: list[torch.UntypedStorage], *, on_host: bool = False) -> None:
            super().__init__(storages, on_host=on_host)
            hosts.append(on_host)

    monkeypatch.setattr(large_memory, "SavedMemory", Noted)
    monkeypatch.setattr(large_memory, "_COPIED_ON_DEVICE", 256)
    look(Linear())
    assert hosts == [False, True]


def test_a_few_bytes_are_copied_without_a_watch(monkeypatch: pytest.MonkeyPatch, copied: list[int]) -> None:
    monkeypatch.setattr(large_memory, "_COPIED_AT_ONCE", 512)
    watched: list[object] = []
    model = Linear(lambda weight: watched.extend(_get_current_dispatch_mode_stack()))
    look(model)
    look(model)
    assert copied == [256, 256, 256, 256]
    assert not watched
