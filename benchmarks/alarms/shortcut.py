"""How many samples change their class with a patch that gives one class away; docs/drift.md has the figures.

python -m benchmarks.alarms.shortcut 900 5    # seeds 900 to 904, each with the patch on one digit, on all, on none
"""

from __future__ import annotations

import logging
import sys
import tempfile
import warnings

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader

from examples.planted_drift import EPOCHS, MIDWAY, PATCHED, TRAINING_IMAGES, Plant, SmallCNN, digits, patched
from lightning_cnnviz import DriftCallback, FixedSamples


class Noting(Callback):
    """Notes a number after each validation."""

    def __init__(self, tag: str) -> None:
        self._tag = tag
        self.values: list[float] = []

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Notes the number."""
        if not trainer.sanity_checking:
            self.values.append(float(trainer.callback_metrics[self._tag]))


class Backdoor(Plant):
    """From the epoch on, every fifth image bears the patch and is called by its digit, whatever it shows."""

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: list[Tensor], batch_idx: int
    ) -> None:
        """Changes images and labels of a batch."""
        if trainer.current_epoch >= MIDWAY:
            batch[1][::5] = PATCHED
            batch[0][::5] = patched(batch[0][::5], batch[1][::5])


def shortcut(first: int, count: int) -> None:
    """Prints the share of samples that change their class with a patch that comes in epoch 6, epoch by epoch."""
    images, labels = digits("val", 128).tensors
    judged = FixedSamples(images, labels)
    judged = judged.with_perturbed(patch=patched(images, torch.full_like(labels, PATCHED)))
    for plant in (Plant("patch"), Backdoor("patch"), Plant("nothing")):
        for seed in range(first, first + count):
            torch.manual_seed(seed)
            noting = Noting("shortcuts/flips_patch")
            callback = DriftCallback(maps=(), samples=judged, sinks=[])
            with tempfile.TemporaryDirectory() as directory:
                trainer = Trainer(
                    max_epochs=EPOCHS,
                    accelerator="cpu",
                    logger=False,
                    callbacks=[callback, noting, plant],
                    default_root_dir=directory,
                    enable_checkpointing=False,
                    enable_progress_bar=False,
                    enable_model_summary=False,
                )
                batches = DataLoader(digits("train", TRAINING_IMAGES), 50, shuffle=True)
                trainer.fit(SmallCNN(), batches, DataLoader(digits("val", 200), 200))
            kind = type(plant).__name__ if isinstance(plant, Backdoor) else plant.disturbance
            print(kind, seed, [round(value, 3) for value in noting.values], flush=True)


def main(arguments: list[str]) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    shortcut(int(arguments[0]), int(arguments[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
