"""What goes wrong around us ends nothing but the drawing, and is said once."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from lightning_cnnviz import (
    CNNVisualizer,
    Evidence,
    Filters,
    FixedSamples,
    Predictions,
    Request,
    View,
)
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.output.artifacts import Artifact
from lightning_cnnviz.output.files import FileSink
from lightning_cnnviz.output.sink import Sink
from lightning_cnnviz.output.writer import BackgroundWriter
from lightning_cnnviz.training import outlet
from tests.helpers.faults import (
    COSTS,
    LOOKS,
    After,
    Raises,
    background_writer,
    raising,
    trained,
    wait_for_the_writers,
    without_us,
)
from tests.helpers.training import SmallCNN, image_steps


@pytest.mark.parametrize("missing", ["google_crc32c", "tensorboard.summary.writer.record_writer"])
def test_without_fast_checksums_the_pictures_are_written_as_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    expected = without_us(tmp_path)
    monkeypatch.setitem(sys.modules, missing, None)
    weights, told = trained(tmp_path, CNNVisualizer([Filters()]))
    assert weights == expected
    assert image_steps(tmp_path) == {"filters/stem.0": LOOKS}
    assert told == []


def test_without_the_compressor_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = without_us(tmp_path)
    monkeypatch.setitem(sys.modules, "isal", None)
    weights, [warning] = trained(tmp_path, CNNVisualizer([Filters()]))
    assert weights == expected
    assert "isal" in warning


def test_a_dead_writer_thread_is_replaced(tmp_path: Path) -> None:
    def end_thread(trainer: Trainer) -> None:
        [thread] = [thread for thread in threading.enumerate() if thread.name == "lightning_cnnviz-writer"]
        background_writer(trainer)._workers[0]._thread.queue.put(None)
        thread.join(300)
        assert not thread.is_alive()

    _, told = trained(tmp_path, CNNVisualizer([Filters()]), After(end_thread))
    assert image_steps(tmp_path) == {"filters/stem.0": LOOKS}
    assert told == []


class Stuck(Sink):
    """Answers to nobody until the end."""

    def __init__(self) -> None:
        self.entered, self.released = threading.Event(), threading.Event()

    def write(self, artifact: Artifact, step: int) -> None:
        self.entered.set()
        assert self.released.wait(300)


def test_what_a_slow_sink_left_out_is_said_once_and_counted_at_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, logger="lightning.pytorch")
    monkeypatch.setattr(outlet, "BackgroundWriter", partial(BackgroundWriter, max_pending=8, max_wait_s=0.1))
    stuck = Stuck()

    class ReleasedInTheEnd(Callback):
        def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            if trainer.current_epoch == 0:
                assert stuck.entered.wait(300)
            if trainer.current_epoch >= 9:
                stuck.released.set()
                wait_for_the_writers(trainer)

    callbacks = [CNNVisualizer([Filters()], sinks=[stuck]), ReleasedInTheEnd()]
    weights, [warning] = trained(tmp_path, *callbacks, max_epochs=12, limit_train_batches=1)
    assert weights == without_us(tmp_path, max_epochs=12, limit_train_batches=1)
    assert warning.startswith(
        "pictures or numbers are left out, because Stuck did not take them in time. Unless it hangs, draw fewer"
    )
    [total] = [record.message for record in caplog.records if "left out in all" in record.message]
    each_look = 1 + len(COSTS)
    # Of ten looks it got the first one, for which a flush took a place in the queue, and two things more.
    assert total == f"{9 * each_look - 2} pictures or numbers were left out in all"


def test_a_sink_that_raises_costs_one_warning_and_no_step(tmp_path: Path) -> None:
    class Raising(Sink):
        def write(self, artifact: Artifact, step: int) -> None:
            raise SystemExit("log in first")

    weights, [warning] = trained(tmp_path, CNNVisualizer([Filters()], sinks=[Raising(), FileSink(tmp_path / "files")]))
    assert weights == without_us(tmp_path)
    assert warning == "Raising left out 'filters/stem.0' at step 0: SystemExit: log in first"
    assert len(list(tmp_path.glob("files/filters/*.png"))) == len(LOOKS)


@pytest.mark.parametrize("where", ["procedure", "draw"])
@pytest.mark.parametrize(
    ("action", "message"),
    [
        (raising(torch.OutOfMemoryError("CUDA out of memory")), "OutOfMemoryError: CUDA out of memory"),
        (lambda: torch.empty(2**60), "RuntimeError: "),
        (raising(ArithmeticError("a bug")), "ArithmeticError: a bug"),
    ],
    ids=["memory_of_the_device", "memory", "bug"],
)
def test_what_a_view_runs_into_costs_that_view(
    where: str, action: Callable[[], None], message: str, tmp_path: Path
) -> None:
    weights, [warning] = trained(tmp_path, CNNVisualizer([Raises(where, action), Filters()]))
    assert weights == without_us(tmp_path)
    assert image_steps(tmp_path) == {"filters/stem.0": LOOKS, "raises": [0]}
    assert warning.startswith(f"CNNVisualizer goes on without Raises: {message}")


class Breaks(View):
    """Fails from its second look on, before the pass or after it."""

    def __init__(self, where: str, error: Exception) -> None:
        super().__init__()
        self.where, self.error, self.has_drawn = where, error, False

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        self._act("request")
        return Request()

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        self._act("draw")
        self.has_drawn = True
        yield from ()

    def _act(self, where: str) -> None:
        if where == self.where and self.has_drawn:
            raise self.error


class BreaksToo(Breaks):
    pass


def test_views_that_run_into_the_same_are_told_of_in_one_breath(tmp_path: Path) -> None:
    bug, other = ArithmeticError("a bug"), ArithmeticError("another")
    views = [Breaks("draw", bug), Filters(), BreaksToo("draw", other), BreaksToo("request", bug)]
    weights, told = trained(tmp_path, CNNVisualizer(views))
    assert weights == without_us(tmp_path)
    assert image_steps(tmp_path) == {"filters/stem.0": LOOKS}
    assert told == [
        "CNNVisualizer goes on without BreaksToo, Breaks: ArithmeticError: a bug",
        "CNNVisualizer goes on without BreaksToo: ArithmeticError: another",
    ]


def test_a_view_that_failed_before_the_pass_did_is_told_of_for_its_own_reason(tmp_path: Path) -> None:
    views = [Breaks("request", ArithmeticError("a bug")), Filters()]
    weights, [first, second] = trained(tmp_path, CNNVisualizer(views), model=Exhausting)
    assert weights == without_us(tmp_path, model=Exhausting)
    assert first == "CNNVisualizer goes on without Breaks: ArithmeticError: a bug"
    assert second.startswith("CNNVisualizer goes on without Filters: RuntimeError: ")


class Exhausting(SmallCNN):
    """Needs more memory than there is when it is called with more images than in training."""

    def forward(self, images: Tensor) -> Tensor:
        if len(images) > 4 and self.trainer.global_step > 0:
            torch.empty(2**60)
        return super().forward(images)


def test_no_memory_for_the_pass_costs_the_views(tmp_path: Path) -> None:
    weights, [warning] = trained(tmp_path, CNNVisualizer([Predictions(), Filters()]), model=Exhausting)
    assert weights == without_us(tmp_path, model=Exhausting)
    assert image_steps(tmp_path) == {"predictions": [0], "filters/stem.0": [0]}
    assert warning.startswith("CNNVisualizer goes on without Predictions, Filters: RuntimeError: ")


@pytest.mark.slow
def test_weights_that_are_not_finite_are_drawn(tmp_path: Path) -> None:
    def spoil(trainer: Trainer) -> None:
        with torch.no_grad():
            trainer.lightning_module.stem[0].weight.fill_(float("nan"))

    weights, told = trained(tmp_path, CNNVisualizer(), After(spoil))
    assert weights == without_us(tmp_path, After(spoil))
    steps = image_steps(tmp_path)
    assert len(steps) >= 5
    assert all(found == LOOKS for found in steps.values())
    assert told == []
