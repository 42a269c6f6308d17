"""D: epochs with and without a look of the default callback."""

from __future__ import annotations

import tempfile
import time
import warnings
from statistics import median
from typing import Any

from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from benchmarks.report import Bar, Report
from benchmarks.timing import Timings
from benchmarks.training import Noise, ResNet18, quiet_trainer
from examples.mnist import MnistCNN, MnistDataModule
from lightning_cnnviz import CNNVisualizer

WITH, WITHOUT, HELD = "with a look", "without", "training held by the look"
_MOST_SHARE = 3


def measure(rounds: int, tiny: bool) -> Report:
    """Trains for some short epochs of which every second one looks, and relates the difference to a whole epoch."""
    bars, timings = [], {}
    mnist = ("the MNIST example", MnistCNN(), MnistDataModule(), 40, (60_000 / 64, 10_000 / 500))
    photographs = ("resnet18 on 64×64", ResNet18(), Noise(), 6, (50_000 / 64, 10_000 / 64))
    for name, model, data, batches, whole in (mnist,) if tiny else (mnist, photographs):
        clock = _train(model, data, 4 if tiny else batches, rounds)
        epoch = median(clock.training) * whole[0] + median(clock.validation) * whole[1]
        found = timings[f"{name}, {4 if tiny else batches} training batches"] = clock.windows(rounds)
        differences = [a - b for a, b in zip(found.seconds[WITH], found.seconds[WITHOUT], strict=True)]
        bars += [
            Bar(
                f"{name}: {WITH} − {WITHOUT}, of a whole epoch",
                100 * median(differences) / epoch,
                _MOST_SHARE,
                unit="%",
            ),
            Bar(f"{name}: {HELD}, of a whole epoch", 100 * found.median(HELD) / epoch, _MOST_SHARE, unit="%"),
            Bar(f"{name}: a whole epoch", epoch, unit="s"),
        ]
    note = (
        "A window runs from the middle of a training epoch to the middle of the next, so that it contains the encoding "
        "in the background, too. A whole epoch is 60,000 + 10,000 images of MNIST, and as many as CIFAR-10's 50,000 + "
        "10,000 of the other, from the median times of their batches."
    )
    return Report("D: epochs of training", bars, timings, [note])


def _train(model: LightningModule, data: LightningDataModule, batches: int, rounds: int) -> _Clock:
    clock, visualizer = _Clock(batches // 2), _TimedVisualizer()
    with tempfile.TemporaryDirectory() as directory, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = quiet_trainer(
            max_epochs=2 * rounds + 2,
            limit_train_batches=batches,
            limit_val_batches=2,
            logger=TensorBoardLogger(directory),
            callbacks=[visualizer, clock],
        )
        trainer.fit(model, datamodule=data)
    clock.held = visualizer.seconds
    return clock


class _TimedVisualizer(CNNVisualizer):
    """Looks after every second epoch and notes how long training waited."""

    def __init__(self) -> None:
        super().__init__(every_n_epochs=2)
        self.seconds: list[float] = []

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        started = time.perf_counter()
        super().on_validation_epoch_end(trainer, pl_module)
        if not trainer.sanity_checking and trainer.current_epoch % 2:
            self.seconds.append(time.perf_counter() - started)


class _Clock(Callback):
    """Seconds from batch to batch, and when the middle of each training epoch was reached."""

    def __init__(self, middle: int) -> None:
        self.training: list[float] = []
        self.validation: list[float] = []
        self.held: list[float] = []
        self._middle = middle
        self._marks: list[float] = []
        self._started = 0.0

    def windows(self, rounds: int) -> Timings:
        """The windows after the first epoch, where much happens for the first time."""
        lengths = [end - start for start, end in zip(self._marks, self._marks[1:], strict=False)]
        return Timings(
            {
                WITH: lengths[1::2][:rounds],
                WITHOUT: lengths[2::2][:rounds],
                HELD: self.held[:rounds],
            }
        )

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self._tick(self.training, batch_idx)
        if batch_idx == self._middle:
            self._marks.append(self._started)

    def on_validation_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, *rest: Any) -> None:
        self._tick(self.validation, batch_idx)

    def _tick(self, seconds: list[float], batch_idx: int) -> None:
        now = time.perf_counter()
        if batch_idx > 0:
            seconds.append(now - self._started)
        self._started = now
