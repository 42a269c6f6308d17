"""Does memory grow with every look? Resident memory over a training in which each epoch is little but a look.

Run: ``python -m benchmarks.leaks --looks 300`` from the root of the repository.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from lightning_cnnviz import CNNVisualizer, PrototypeCallback
from tests.training import fit

WARM_UP = 10
PAGE = os.sysconf("SC_PAGE_SIZE")


class ResidentMemory(Callback):
    """Notes the resident memory, in bytes, after every look of the callbacks before it."""

    def __init__(self) -> None:
        self.bytes: list[int] = []

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.sanity_checking:
            self.bytes.append(int(Path("/proc/self/statm").read_text().split()[1]) * PAGE)


def measure(looks: int, callbacks: list[Callback]) -> list[int]:
    memory = ResidentMemory()
    with tempfile.TemporaryDirectory() as directory:
        fit(Path(directory), [*callbacks, memory], max_epochs=looks, limit_train_batches=1, limit_val_batches=1)
    return memory.bytes


def slope(memory: list[int]) -> float:
    """Kilobytes per look, by least squares, after the first looks."""
    settled = np.array(memory[WARM_UP:]) / 1024
    return float(np.polyfit(np.arange(len(settled)), settled, 1)[0])


def report(name: str, memory: list[int]) -> None:
    start, end = memory[WARM_UP] / 2**20, memory[-1] / 2**20
    print(f"{name}: {start:.1f} MB after {WARM_UP}, {end:.1f} MB after {len(memory)}, {slope(memory):+.2f} kB each")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--looks", type=int, default=300)
    looks = arguments.parse_args().looks
    logging.disable(logging.INFO)
    torch.set_num_threads(1)
    report("epochs without us", measure(looks, []))
    report("epochs with a look", measure(looks, [CNNVisualizer(show=2), PrototypeCallback(steps=1, show=2)]))


if __name__ == "__main__":
    main()
