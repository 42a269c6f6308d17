"""What a call of the user's model leaves behind: nothing, whatever the model does and however the call ends."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightning_cnnviz import GradCAM, explain
from lightning_cnnviz.model.isolation import isolated
from tests.helpers.fingerprint import fingerprint
from tests.helpers.regime_models import BackwardHooks, CountsCalls, DrawsInForward, LogsInForward, ReassignsBuffer
from tests.helpers.training import SmallCNN

IMAGES = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))

MODELS = [SmallCNN, CountsCalls, DrawsInForward, ReassignsBuffer, BackwardHooks, LogsInForward]


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("ending", [None, RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_pass_leaves_no_trace_however_it_ends(
    make: Callable[[], nn.Module], ending: type[BaseException] | None
) -> None:
    model = make()
    before = fingerprint(model)

    with nullcontext() if ending is None else pytest.raises(ending), isolated(model):
        images = IMAGES.clone().requires_grad_()
        torch.autograd.grad(model(images).sum(), images)
        random.random()
        np.random.rand()  # noqa: NPY002
        if ending is not None:
            raise ending

    assert before.differences(fingerprint(model)) == []


class ExchangesEntries(SmallCNN):
    """Puts something else into each of its containers, whose length stays."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = deque(["old", "older"], maxlen=2)
        self.notes, self.names, self.table = ["old"], {"old"}, {"key": "old", "last": "old"}

    def forward(self, images: Tensor) -> Tensor:
        self.queue.append("new")
        self.notes[0] = "new"
        self.names.remove("old")
        self.names.add("new")
        self.table["key"] = "new"
        return super().forward(images)


def test_containers_are_as_before_even_if_their_length_never_changed() -> None:
    model = ExchangesEntries()
    containers = model.queue, model.notes, model.names, model.table

    explain(model, IMAGES, [GradCAM()])

    assert [*model.queue] == ["old", "older"]
    assert (model.notes, model.names, model.table) == (["old"], {"old"}, {"key": "old", "last": "old"})
    now = model.queue, model.notes, model.names, model.table
    assert all(before is after for before, after in zip(containers, now, strict=True))


class RaisesHalfWay(CountsCalls):
    """Fails between its two blocks, when half of its counters have moved."""

    def forward(self, images: Tensor) -> Tensor:
        self.notes = self.stem(images)
        torch.rand(3)
        raise RuntimeError("half-way")


def test_a_model_that_raises_half_way_is_as_before() -> None:
    model = RaisesHalfWay()
    before = fingerprint(model)

    with pytest.raises(ValueError, match="raised RuntimeError: half-way") as raised:
        explain(model, IMAGES)
    assert isinstance(raised.value.__cause__, RuntimeError)

    assert before.differences(fingerprint(model)) == []


def test_a_target_that_raises_leaves_no_trace() -> None:
    def target(scores: Tensor) -> Tensor:
        torch.rand(3)
        raise RuntimeError("no target")

    model = SmallCNN()
    before = fingerprint(model)

    with pytest.raises(RuntimeError, match="no target"):
        explain(model, IMAGES, target=target)

    assert before.differences(fingerprint(model)) == []


WRITES: dict[str, Callable[[Tensor], Any]] = {
    "in place": lambda tensor: tensor.detach().add_(1),
    "data": lambda tensor: tensor.data.add_(1),
    "data assigned": lambda tensor: setattr(tensor, "data", tensor.data + 1),
    "numpy": lambda tensor: tensor.detach().numpy().__iadd__(1),
    "resized": lambda tensor: tensor.data.resize_(500).fill_(2),
    "set": lambda tensor: tensor.data.set_(torch.zeros(3)),
}

HELD: dict[str, Callable[[SmallCNN], Tensor]] = {
    "parameter": lambda model: model.head.weight,
    "buffer": lambda model: model.stem[1].running_mean,
    "attribute": lambda model: model.loose,
    "list": lambda model: model.kept[0],
    "dict": lambda model: model.table["key"],
}


@pytest.mark.parametrize("where", HELD)
@pytest.mark.parametrize("way", WRITES)
def test_whatever_way_a_tensor_is_written_it_comes_back(way: str, where: str) -> None:
    model = SmallCNN()
    model.loose, model.kept, model.table = torch.ones(3), [torch.ones(3)], {"key": torch.ones(3)}
    tensor = HELD[where](model)
    kept = tensor.detach().clone()

    with isolated(model):
        WRITES[way](tensor)

    assert HELD[where](model) is tensor
    assert torch.equal(tensor, kept)
    assert all(module.training for module in model.modules())
