"""I: how long a training waits for its first step."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from statistics import median
from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule
from lightning.pytorch.loggers import TensorBoardLogger

from benchmarks.maps import forward_and_backward
from benchmarks.report import Bar, Report
from benchmarks.timing import Timings
from benchmarks.training import Noise, ResNet18, quiet_trainer
from examples.mnist import MnistCNN, MnistDataModule
from lightning_cnnviz import CNNVisualizer

WITH, WITHOUT = "with the callback", "without"
MODELS = {"the MNIST example": (MnistCNN, MnistDataModule, 28), "resnet18 on 64×64": (ResNet18, Noise, 64)}
_MOST_SECONDS = 0.3
_SAMPLES = 8


def measure(rounds: int, tiny: bool) -> Report:
    """Fits twice in processes of their own: what the first look loads and what it finds out are in the first fit."""
    bars, timings = [], {}
    for name in list(MODELS)[: 1 if tiny else None]:
        found: dict[str, list[tuple[float, float, float]]] = {WITH: [], WITHOUT: []}
        for _ in range(rounds):
            for contestant, turns in found.items():
                turns.append(_in_a_new_process(name, contestant))
        bare_pass = median(turn[2] for turn in found[WITHOUT])
        for place, which in enumerate(("the first fit of a process", "the second")):
            seconds = {contestant: [turn[place] for turn in turns] for contestant, turns in found.items()}
            timings[f"{name}, from `fit` to the first step, {which}"] = Timings(seconds)
            added = median(a - b for a, b in zip(seconds[WITH], seconds[WITHOUT], strict=True))
            title = f"{name}, {which}: {WITH} − {WITHOUT}"
            if name == "the MNIST example":
                bars.append(Bar(title, added, _MOST_SECONDS, unit="s"))
            else:
                bars.append(Bar(f"{title}, over forward and backward", added / bare_pass, 1))
    note = (
        "The sanity check of two batches is in both, the look before training in one; passes are those of "
        f"{_SAMPLES} samples."
    )
    return Report("I: the first step", bars, timings, [note])


def _in_a_new_process(name: str, contestant: str) -> tuple[float, float, float]:
    """Seconds of the first fit, of the second one, and of the bare passes."""
    command = [sys.executable, "-m", "benchmarks.first_step", name, contestant, str(torch.get_num_threads())]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
    first, second, bare_pass = map(float, answer.split())
    return first, second, bare_pass


class _FirstStep(Callback):
    """When the first batch of training began."""

    def on_train_batch_start(self, *arguments: Any) -> None:
        self.time = time.perf_counter()


def _seconds(model: LightningModule, data: LightningDataModule, *, watched: bool) -> float:
    clock = _FirstStep()
    with tempfile.TemporaryDirectory() as directory:
        trainer = quiet_trainer(
            max_steps=1,
            limit_val_batches=2,
            logger=TensorBoardLogger(directory),
            callbacks=[*([CNNVisualizer()] if watched else []), clock],
        )
        started = time.perf_counter()
        trainer.fit(model, datamodule=data)
    return clock.time - started


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=MODELS)
    parser.add_argument("contestant", choices=[WITH, WITHOUT])
    parser.add_argument("threads", type=int)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    make, data, side = MODELS[options.name]
    fits = [_seconds(make(), data(), watched=options.contestant == WITH) for _ in range(2)]
    model, images = make().eval(), torch.randn(_SAMPLES, 3 if side == 64 else 1, side, side)
    passes = []
    for _ in range(5):
        started = time.perf_counter()
        forward_and_backward(model, images)
        passes.append(time.perf_counter() - started)
    print(*fits, median(passes))


if __name__ == "__main__":
    _main()
