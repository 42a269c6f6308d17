"""A run whose process is killed in the middle of a look goes on from its checkpoint."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from lightning_cnnviz import (
    CNNVisualizer,
    Evidence,
    FixedSamples,
    Predictions,
    Prototypes,
    Request,
    View,
)
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.output.artifacts import Artifact, Picture
from lightning_cnnviz.output.event_records import record
from lightning_cnnviz.output.tensorboard import TensorBoardSink
from tests.helpers.faults import LOOKS
from tests.helpers.processes import run
from tests.helpers.training import SmallCNN, image_steps, loader, trainer


class Noise(View):
    """Large pictures, in the middle of whose writing the process is killed."""

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        return Request()

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        generator = np.random.default_rng(0)
        for index in range(8):
            yield Picture(f"noise/{index}", generator.integers(0, 256, (700, 700, 3), dtype=np.uint8))


def dying_at(tag: str, step: int) -> Callable[[TensorBoardSink, Artifact, int], None]:
    """A way to write that ends with the process, when half of a record is on the disk."""
    write = TensorBoardSink.write

    def write_or_die(sink: TensorBoardSink, artifact: Artifact, at: int) -> None:
        write(sink, artifact, at)
        if (artifact.tag, at) == (tag, step):
            sink.client.flush()
            [event_file] = Path(sink.client.log_dir).glob("events.out.*")
            with event_file.open("ab") as file:
                file.write(record(bytes(1000))[:500])
            os.kill(os.getpid(), signal.SIGKILL)

    return write_or_die


def train_with_checkpoints(directory: Path, *, dies_at: int | None = None, resume: Path | None = None) -> None:
    if dies_at is not None:  # in a process of its own
        TensorBoardSink.write = dying_at("noise/4", dies_at)  # type: ignore[method-assign]
    visualizer = CNNVisualizer([Noise(), Prototypes(steps=5), Predictions()], samples=4)
    saving = ModelCheckpoint(directory / "saved", filename="{epoch}", save_top_k=-1)
    torch.manual_seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer(directory, [visualizer, saving], max_epochs=4, enable_checkpointing=True).fit(
            SmallCNN(), loader(), loader(), ckpt_path=resume
        )


@pytest.mark.slow
def test_killed_while_writing_and_resumed(tmp_path: Path) -> None:
    ended = run(partial(train_with_checkpoints, tmp_path, dies_at=LOOKS[2]), directory=tmp_path / "output")
    assert ended.code == -signal.SIGKILL, ended.output
    written = image_steps(tmp_path)
    assert {tag: found for tag, found in written.items() if tag.startswith("noise")} == {
        f"noise/{index}": LOOKS[: 3 if index <= 4 else 2] for index in range(8)
    }
    saved = tmp_path / "saved" / "epoch=0.ckpt"

    train_with_checkpoints(tmp_path, resume=saved)
    steps = image_steps(tmp_path)
    for tag, found in steps.items():
        assert found[-3:] == [11, 17, 23], tag
        # What the killed run wrote of its last look is there a second time, with the same step.
        assert found == sorted([*written.get(tag, []), 11, 17, 23]), tag

    before, after = (_remembered(tmp_path / "saved" / f"epoch={epoch}.ckpt") for epoch in (0, 3))
    assert torch.equal(before["samples"]["images"], after["samples"]["images"])
    means = [state["memory"]["views"]["Prototypes/0"]["means"] for state in (before, after)]
    assert means[0]["complete"]
    assert torch.equal(means[0]["sums"], means[1]["sums"])


def _remembered(checkpoint: Path) -> dict[str, Any]:
    callbacks: dict[str, Any] = torch.load(checkpoint, weights_only=True)["callbacks"]
    return next(state for key, state in callbacks.items() if key.startswith("CNNVisualizer"))
