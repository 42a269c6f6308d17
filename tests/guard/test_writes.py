"""Whatever is written while a model is looked at, and wherever it is kept, is as before afterwards."""

from __future__ import annotations

import os
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_cnnviz.guard.reachable import reachable
from lightning_cnnviz.model.isolation import isolated
from tests.helpers.training import SmallCNN
from tests.helpers.writes import WRITES, Bank, Countdown, Trusting, backward, described, setup

pytestmark = pytest.mark.filterwarnings("error:a look may have left traces")


@pytest.fixture(params=["copied", "watched"])
def memory(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once as that of a small model, once as that of a large one whose watch has proved itself."""
    if request.param == "watched":
        monkeypatch.setattr("lightning_cnnviz.guard.saved_tensors._SMALL", 0)
        monkeypatch.setattr("lightning_cnnviz.guard.large_memory._COPIED_AT_ONCE", 0)
        monkeypatch.setattr("lightning_cnnviz.guard.large_memory._trusted", Trusting())


@pytest.mark.filterwarnings("ignore:Sparse CSR", "ignore:torch.quantize")
@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize("write", WRITES)
def test_what_is_written_while_the_model_is_looked_at_is_as_before(write: str) -> None:
    model = SmallCNN()
    setup(model)
    before = described(model, {})

    with isolated(model):
        WRITES[write](model)
        WRITES[write](model) if write not in ("attribute deleted", "buffer deleted", "module in a list") else None

    assert described(model, {}) == before


@pytest.mark.filterwarnings("ignore:Sparse CSR", "ignore:torch.quantize")
@pytest.mark.parametrize("write", WRITES)
def test_each_of_the_writes_would_be_seen(write: str) -> None:
    model = SmallCNN()
    setup(model)
    before = described(model, {})

    WRITES[write](model)

    try:
        assert described(model, {}) != before or torch.get_default_dtype() is not torch.float32
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_backward_inside_a_forward_neither_sees_the_trainings_gradients_nor_steps_its_optimizer() -> None:
    model = SmallCNN()
    weight, stepped = model.stem[0].weight, []
    kept = weight.grad = torch.ones_like(weight)
    weight.register_post_accumulate_grad_hook(stepped.append)
    weight.register_hook(stepped.append)
    with isolated(model):
        assert weight.grad is None
        backward(model)
    assert weight.grad is kept
    assert torch.equal(kept, torch.ones_like(weight))
    assert stepped == []
    backward(model)
    assert len(stepped) == 2


def test_the_environment_is_as_before_the_model_was_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "before")
    monkeypatch.setenv("REMOVED", "before")
    before = dict(os.environ)
    with isolated(SmallCNN()):
        os.environ.update(KEPT="after", ADDED="after")
        del os.environ["REMOVED"]
    assert dict(os.environ) == before


def test_what_lies_beyond_the_bound_of_copies_on_the_device_is_put_back_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lightning_cnnviz.guard.large_memory._COPIED_ON_DEVICE", 0)
    model = SmallCNN()
    model.register_buffer("large", torch.zeros(100_000))
    with isolated(model):
        model.large[5] = 1.0
    assert not model.large.any()


def test_what_only_the_closure_of_a_hook_knows_is_put_back() -> None:
    model, norm, seen = SmallCNN(), nn.BatchNorm2d(4), torch.zeros(2)

    def hook(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        seen.add_(1)
        normalised: Tensor = norm(output)
        return normalised

    model.stem.register_forward_hook(hook)
    before = norm.running_mean.clone()
    with isolated(model):
        model(torch.randn(4, 1, 8, 8))
        assert seen.tolist() == [1, 1]
        assert not torch.equal(norm.running_mean, before), "a module that is not registered keeps its own mode"
    assert seen.tolist() == [0, 0]
    assert torch.equal(norm.running_mean, before)
    assert norm.num_batches_tracked == 0


def test_large_datasets_and_iterators_around_others_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightning_cnnviz.guard.left_alone._DATASET_BYTES", 4)
    monkeypatch.setattr("lightning_cnnviz.guard.left_alone._DATASET_ENTRIES", 9)
    model, of_tensors, of_many, around = SmallCNN(), Bank(), Bank(), Countdown()
    of_many.mean, of_many.items = torch.zeros(1), [0.5] * 10
    around.source = iter([1])  # type: ignore[attr-defined]
    model.holdings = (of_tensors, of_many, around)
    found = {id(value) for _, value in reachable(model).objects}
    assert not found & {id(of_tensors), id(of_many), id(around)}
