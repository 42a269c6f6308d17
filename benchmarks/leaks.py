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
from tests.helpers.training import fit

PAGE = os.sysconf("SC_PAGE_SIZE")


class ResidentMemory(Callback):
    """Notes the resident memory, in bytes, after every look of the callbacks before it."""

    def __init__(self) -> None:
        self.bytes: list[int] = []

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Notes it, except in the sanity check."""
        if not trainer.sanity_checking:
            self.bytes.append(int(Path("/proc/self/statm").read_text().split()[1]) * PAGE)


def measure(looks: int, callbacks: list[Callback]) -> list[int]:
    memory = ResidentMemory()
    with tempfile.TemporaryDirectory() as directory:
        fit(Path(directory), [*callbacks, memory], max_epochs=looks, limit_train_batches=1, limit_val_batches=1)
    return memory.bytes


def slope(memory: list[int]) -> float:
    """Kilobytes per look, by least squares."""
    return float(np.polyfit(np.arange(len(memory)), np.array(memory) / 1024, 1)[0])


def report(name: str, memory: list[int]) -> None:
    """Says how resident memory went, and the slope of its second half: the allocator's arenas fill up in the first."""
    moments = [10, *(len(memory) * quarter // 4 for quarter in (1, 2, 3, 4))]
    course = ", ".join(f"{memory[moment - 1] / 2**20:.1f} MB after {moment}" for moment in moments)
    print(f"{name}: {course}; {slope(memory[len(memory) // 2 :]):+.2f} kB each in the second half")


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
