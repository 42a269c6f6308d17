"""What goes wrong while validation is watched costs the views that watch, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer

from lightning_cnnviz import CNNVisualizer
from lightning_cnnviz.model.overheard import Answered
from tests.helpers.sabotage import MISCHIEF
from tests.helpers.training import SmallCNN, fit, stripes
from tests.helpers.watch import Watch


def test_batches_without_labels_are_said(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Watch: ValueError: the validation batches have no class labels"):
        fit(tmp_path, [CNNVisualizer([Watch()], label_key=None)], max_epochs=1)


def test_nothing_is_left_behind_when_a_step_fails(tmp_path: Path) -> None:
    class Failing(SmallCNN):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            self(batch[0])
            if batch_idx == 1 and not self.trainer.sanity_checking:
                raise RuntimeError("theirs")

    model = Failing()
    with pytest.raises(RuntimeError, match="theirs"):
        fit(tmp_path, [CNNVisualizer([Watch()])], model)
    assert not any(module._forward_hooks for module in model.modules())


class Meddles(Watch):
    """Changes the process and raises, at the beginning or for an answer."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where

    def begin_validation(self) -> None:
        super().begin_validation()
        self._meddle("begin")

    def observe_validation(self, answered: Answered) -> None:
        self._meddle("observe")

    def _meddle(self, where: str) -> None:
        if where == self.where:
            for meddle in MISCHIEF:
                meddle()
            raise ZeroDivisionError("in a view")


@pytest.mark.parametrize("where", ["begin", "observe"])
def test_what_a_watching_view_does_costs_that_view_and_leaves_no_trace(where: str) -> None:
    meddling, model = Meddles(where), SmallCNN().eval()
    callback = CNNVisualizer([meddling])
    run = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    batch = stripes(4).tensors
    before = torch.get_rng_state(), torch.is_grad_enabled(), torch.get_default_dtype()
    with pytest.warns(UserWarning, match="goes on without Meddles: ZeroDivisionError: in a view"):
        _validate(callback, run, model, batch)
    after = torch.get_rng_state(), torch.is_grad_enabled(), torch.get_default_dtype()
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]
    assert not torch.are_deterministic_algorithms_enabled()
    assert not any(module._forward_hooks for module in model.modules())


def _validate(callback: CNNVisualizer, run: Trainer, model: LightningModule, batch: Any) -> None:
    callback._validation.before_batch(run, model, batch, 0, 0)
    model(batch[0])
    callback._validation.after_batch(None, model)


def test_a_batch_that_nobody_answered_is_let_go_at_the_next() -> None:
    watch, model = Watch(), SmallCNN()
    callback = CNNVisualizer([watch])
    run = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    callback._validation.before_batch(run, model, stripes(4).tensors, 0, 0)  # of a step that was interrupted
    callback._validation.before_batch(run, model, stripes(4).tensors, 0, 1)  # of another loader
    assert not any(module._forward_hooks for module in model.modules())
    model(stripes(4).tensors[0])
    callback._validation.after_batch(None, model)
    assert watch.seen == [[]]
