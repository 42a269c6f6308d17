"""What a look switches off in a model, and where new tensors of a model belong."""

from __future__ import annotations

import types
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_cnnviz.guard.process_state import process_state_preserved
from lightning_cnnviz.guard.reachable import reachable
from lightning_cnnviz.model.isolation import isolated, placement


class Logs(nn.Conv2d):
    """Logs as a LightningModule does, and does more than others where its mode changes."""

    def __init__(self) -> None:
        super().__init__(1, 1, 1)
        self.said: list[str] = []

    def log(self, name: str, value: float) -> None:
        self.said.append(name)

    def log_dict(self, values: dict[str, float]) -> None:
        self.said.extend(values)

    def eval(self) -> Any:
        raise AssertionError("weights would be merged")


def test_what_is_logged_in_a_look_is_lost_and_is_logged_again_afterwards() -> None:
    model = Logs()
    with isolated(model):
        model.log("a", 1.0)
        model.log_dict({"b": 1.0})
        assert model.said == []
        assert not model.training
    model.log("a", 1.0)
    model.log_dict({"b": 1.0})
    assert model.said == ["a", "b"]


def test_a_module_that_does_not_log_is_given_nothing_to_log_with() -> None:
    model = nn.Conv2d(1, 1, 1)
    with isolated(model):
        assert not hasattr(model, "log")


def test_hooks_on_the_backward_pass_of_a_module_that_is_not_registered_are_silent() -> None:
    model, hidden, seen = nn.Conv2d(1, 1, 1), nn.Linear(2, 2), []
    hidden.register_full_backward_hook(lambda *_: seen.append("hook"))
    vars(model)["kept"] = [hidden]
    with isolated(model):
        hidden(torch.ones(1, 2, requires_grad=True)).sum().backward()
    assert seen == []
    hidden(torch.ones(1, 2, requires_grad=True)).sum().backward()
    assert seen == ["hook"]


def test_a_model_belongs_where_its_first_floating_tensor_is() -> None:
    model = nn.Module()
    model.register_buffer("number", torch.zeros(1, dtype=torch.long, device="meta"))
    assert placement(model) == (torch.device("meta"), torch.float32)
    model.register_buffer("mean", torch.zeros(1, dtype=torch.float64))
    assert placement(model) == (torch.device("cpu"), torch.float64)


@pytest.mark.parametrize(("asked", "cuda", "mode"), [(True, True, 1), (True, False, 2), (False, True, 0)])
def test_determinism_is_softened_on_cuda_and_where_it_was_asked_for(
    asked: bool, cuda: bool, mode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    with process_state_preserved():
        torch.use_deterministic_algorithms(asked)
        monkeypatch.setattr(torch.cuda, "is_initialized", lambda: cuda)
        with isolated(nn.Conv2d(1, 1, 1)):
            assert torch.get_deterministic_debug_mode() == mode  # 0: off, 1: it warns, 2: it raises
        monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)


@pytest.mark.parametrize("layer", [nn.LazyConv2d(1, 1), nn.LazyBatchNorm2d(affine=False)], ids=["weights", "buffers"])
def test_layers_that_are_not_initialized_yet_are_refused(layer: nn.Module) -> None:
    with pytest.raises(ValueError, match="is not initialized yet: call the model once"), isolated(layer):
        pass


def test_a_tensor_that_two_modules_share_stays_shared_where_it_was_made_under_inference_mode() -> None:
    model = nn.Sequential(nn.Identity(), nn.Identity())
    with torch.inference_mode():
        shared = torch.ones(2)
    for module in model:
        vars(module)["kept"] = shared
    with isolated(model):
        assert model[0].kept is model[1].kept is not shared
    assert model[0].kept is model[1].kept is shared


def test_a_list_that_only_a_closure_knows_is_the_users_unless_a_module_holds_it_too() -> None:
    calls: list[int] = []
    model, hidden = nn.Conv2d(1, 1, 1), nn.Identity()

    def hook() -> Any:
        return calls, hidden

    vars(model)["kept"] = hook
    with isolated(model):
        calls.append(1)
    assert calls == [1]
    vars(hidden)["calls"] = calls
    with isolated(model):
        calls.append(2)
    assert calls == [1]


def a_method(held: Tensor) -> Any:
    def function(self: Any, value: Tensor = held) -> None: ...

    return types.MethodType(function, 3)


class Slotted(list[int]):
    __slots__ = ("held",)

    def __init__(self, held: Tensor) -> None:
        super().__init__()
        self.held = held


@pytest.mark.parametrize(
    "kept",
    [a_method, lambda held: frozenset({held}), lambda held: {held: 1}, Slotted],
    ids=["function of a method", "frozen set", "key", "slot of a list"],
)
def test_a_tensor_is_as_before_in_rarer_places(kept: Any) -> None:
    model, held = nn.Conv2d(1, 1, 1), torch.tensor([1.0, 2.0])
    vars(model)["kept"] = kept(held)
    with isolated(model):
        held.add_(1)
    assert held.tolist() == [1.0, 2.0]


class Counts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(1))
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        with torch.no_grad():
            self.weight.add_(1)
        return x


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_tensors_of_a_scripted_module_are_as_before() -> None:
    model = torch.jit.script(Counts())
    with isolated(model):
        model(torch.zeros(1))
        assert model.calls.item() == 1
    assert [model.calls.item(), model.weight.item()] == [0, 0]


def test_attributes_of_classes_of_libraries_are_not_the_models() -> None:
    shared, own = torch.zeros(1), torch.zeros(1)
    theirs = type("Theirs", (nn.Conv2d,), {"__module__": "lightning.pytorch", "shared": shared})
    users = type("Users", (theirs,), {"own": own})
    found = {id(tensor) for _, tensor in reachable(users(1, 1, 1)).tensors}
    assert id(own) in found
    assert id(shared) not in found


def test_weights_that_were_cast_around_a_look_are_not_cast_again_though_it_left_an_autocast_open() -> None:
    images, weight = torch.ones(2, 2), nn.Parameter(torch.ones(2, 2))
    with torch.autocast("cpu", torch.bfloat16):
        before = torch.mm(images, weight)
        with process_state_preserved():
            torch.autocast("cpu", torch.bfloat16).__enter__()
        after = torch.mm(images, weight)
    casts = [product.grad_fn.next_functions[1][0] for product in (before, after) if product.grad_fn]
    assert casts[0] is casts[1], "gradients of both are added in bfloat16"


def test_a_lazy_module_that_is_not_registered_is_not_initialized_by_a_look() -> None:
    model = nn.Conv2d(1, 1, 1)
    vars(model)["kept"] = [nn.LazyLinear(3)]
    with pytest.raises(ValueError, match=r"kept\._parameters is not initialized yet"), isolated(model):
        pass
