"""Three hundred looks leave as much behind as ten: nothing."""

from __future__ import annotations

import gc
import logging
import os
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from lightning_cnnviz import CNNVisualizer, PrototypeCallback
from tests.helpers.training import fit, image_steps

LOOKS = 300


class Counts(Callback):
    """Stands after our callbacks and counts, after some of their looks, what could pile up.

    Attributes:
        early: the least of each in looks 10 to 14.
        late: the least of each in the last five: what still waits to be written comes and goes.
    """

    def __init__(self) -> None:
        self.early: dict[str, int] = {}
        self.late: dict[str, int] = {}

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.sanity_checking:
            return
        wait_for_the_writer(trainer)
        if 10 <= trainer.current_epoch < 15:
            self.early = least(self.early, counts(pl_module))
        if trainer.current_epoch >= LOOKS - 5:
            self.late = least(self.late, counts(pl_module))


def wait_for_the_writer(trainer: Trainer) -> None:
    """These looks follow each other faster than any training's, and what the disk cannot take in time is left out."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, CNNVisualizer) and callback.membership.session is not None:
            assert callback.membership.session.outlet._writers
            assert callback.membership.session.outlet._writers[None].flush(timeout=300)


def least(some: dict[str, int], others: dict[str, int]) -> dict[str, int]:
    return {name: min(count, some.get(name, count)) for name, count in others.items()}


def counts(model: LightningModule) -> dict[str, int]:
    gc.collect()
    return {
        "hooks": sum(
            len(value) for module in model.modules() for name, value in vars(module).items() if name.endswith("_hooks")
        ),
        "threads": threading.active_count(),
        "file handles": len(os.listdir("/proc/self/fd")),
        "live tensors": sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects()),
    }


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts file handles in /proc")
def test_nothing_grows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    counting = Counts()
    little: dict[str, Any] = {"samples": 2, "show": 1, "on_error": "raise"}

    fit(
        tmp_path,
        [CNNVisualizer(**little), PrototypeCallback(steps=1, **little), counting],
        max_epochs=LOOKS,
        limit_train_batches=1,
        limit_val_batches=1,
    )

    assert len(image_steps(tmp_path)["grad_cam/body"]) == LOOKS + 1
    tensors = counting.late.pop("live tensors") - counting.early.pop("live tensors")
    assert tensors < LOOKS / 10  # what waits to be written comes and goes; a leak has at least one for each look
    assert counting.late == counting.early
    assert threading.active_count() < counting.late["threads"]
