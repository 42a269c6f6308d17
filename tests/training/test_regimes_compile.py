"""Compiled models: the guest neither compiles anything itself nor uses up what training may compile."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, seed_everything
from torch import Tensor

from lightning_cnnviz import CNNVisualizer, FixedSamples, PrototypeCallback
from tests.helpers.fingerprint import Closing, Opening
from tests.helpers.training import SmallCNN, image_steps, loader, sha, stripes, trainer

pytestmark = pytest.mark.slow  # each compiles with inductor and the C++ compiler


class NoticesEagerCalls(SmallCNN):
    """Counts the calls that run as plain Python: those while training show that compiled code was given up."""

    eager_training_calls = 0

    def forward(self, images: Tensor) -> Tensor:
        if not torch.compiler.is_compiling() and self.training:
            NoticesEagerCalls.eager_training_calls += 1
        return super().forward(images)


def whole() -> Any:
    return torch.compile(NoticesEagerCalls())


def in_place() -> LightningModule:
    model = NoticesEagerCalls()
    model.compile()
    return model


def submodule() -> LightningModule:
    model = SmallCNN()
    model.body = torch.compile(model.body)
    return model


@pytest.fixture(autouse=True)
def _fresh_compiler() -> Iterator[None]:
    torch.compiler.reset()
    NoticesEagerCalls.eager_training_calls = 0
    yield
    torch.compiler.reset()


def run(make: Callable[[], Any], directory: Path, ours: list[Callback]) -> str:
    seed_everything(7, verbose=False)
    model = make()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer(directory, ours).fit(model, loader(shuffle=True), loader())
    return sha(model)


@pytest.mark.parametrize("make", [whole, in_place, submodule])
def test_same_bits_no_trace_and_training_stays_compiled(make: Callable[[], Any], tmp_path: Path) -> None:
    without_us = run(make, tmp_path / "without", [])
    torch.compiler.reset()
    opening = Opening()
    closing = Closing(opening)
    # Each batch size is a shape of its own, and there are more of them than dynamo compiles before it gives up.
    batches = [FixedSamples(*stripes(count).tensors) for count in range(3, 5 + torch._dynamo.config.recompile_limit)]
    many_shapes = [CNNVisualizer(samples=batch, tag_prefix=f"{len(batch)}/", show=1) for batch in batches]

    ours = [CNNVisualizer(on_error="raise"), PrototypeCallback(steps=3, on_error="raise"), *many_shapes]
    with_us = run(make, tmp_path / "with", [opening, *ours, closing])

    assert closing.differences == []
    assert with_us == without_us
    assert NoticesEagerCalls.eager_training_calls == 0
    steps = image_steps(tmp_path / "with")
    assert [len(steps[f"{prefix}grad_cam/body"]) for prefix in ("", "3/", "12/")] == [3, 3, 3]
