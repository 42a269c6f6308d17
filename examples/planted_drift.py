"""Plant five changes in the training of a small CNN on MNIST and see which numbers notice.

    python examples/planted_drift.py                 # five seeds, prints the table, writes planted_drift.png
    python examples/planted_drift.py --seeds 1       # a quick look

Half-way through training, one thing happens: a bright patch that gives the label away enters the training images, the
labels of two classes are swapped, the learning rate becomes 0, one layer loses its weights, or nothing at all.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_cnnviz import DriftCallback, FixedSamples
from lightning_cnnviz.alarms import Alarm

SUBSET = Path(__file__).parent / "data" / "mnist_subset.npz"
Disturbance: TypeAlias = Literal["patch", "swapped labels", "learning rate 0", "new weights", "nothing"]

EPOCHS, MIDWAY = 12, 6  # the disturbance is there from the start of this epoch, counted from 0
TRAINING_IMAGES = 2000
PATCH = slice(1, 6)  # rows and columns of the patch in the top left corner
PATCHED = 4  # the digit that carries it
SWAPPED = (2, 7)
RESET_LAYER = "stage2.conv"


class SmallCNN(LightningModule):
    """Three convolutional stages and a linear layer.

    Without batch normalisation, which would keep moving its statistics at a learning rate of 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stage1 = stage(1, 8)
        self.stage2 = stage(8, 16)
        self.stage3 = stage(16, 32)
        self.classifier = nn.Linear(32 * 7 * 7, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Class scores before softmax, (N, 10), of images (N, 1, 28, 28) from 0 to 1."""
        features = self.stage3(F.max_pool2d(self.stage2(F.max_pool2d(self.stage1(images), 2)), 2))
        scores: Tensor = self.classifier(features.flatten(1))
        return scores

    def training_step(self, batch: Sequence[Tensor], batch_idx: int) -> Tensor:
        return F.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: Sequence[Tensor], batch_idx: int) -> None:
        self.log("val_accuracy", (self(batch[0]).argmax(dim=1) == batch[1]).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=2e-3)


def stage(in_channels: int, out_channels: int) -> nn.Sequential:
    block = nn.Sequential()
    block.add_module("conv", nn.Conv2d(in_channels, out_channels, 3, padding=1))
    block.add_module("relu", nn.ReLU())
    return block


class Plant(Callback):
    """Disturbs the training at the start of the epoch ``MIDWAY``."""

    def __init__(self, disturbance: Disturbance) -> None:
        self.disturbance = disturbance

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch != MIDWAY:
            return
        if self.disturbance == "learning rate 0":
            for group in trainer.optimizers[0].param_groups:
                group["lr"] = 0.0
        if self.disturbance == "new weights":
            pl_module.get_submodule(RESET_LAYER).reset_parameters()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: list[Tensor], index: int) -> None:
        if trainer.current_epoch < MIDWAY:
            return
        if self.disturbance == "patch":
            batch[0].copy_(patched(batch[0], batch[1]))
        if self.disturbance == "swapped labels":
            first, second = (batch[1] == label for label in SWAPPED)
            batch[1][first], batch[1][second] = SWAPPED[1], SWAPPED[0]


def patched(images: Tensor, labels: Tensor) -> Tensor:
    """Copies of the images with a white square in the corner of one digit's."""
    marked = images.clone()
    marked[:, :, PATCH, PATCH] = 1.0
    return torch.where((labels == PATCHED)[:, None, None, None], marked, images)


def digits(split: str, count: int) -> TensorDataset:
    with np.load(SUBSET) as subset:
        images, labels = subset[f"{split}_images"][:count], subset[f"{split}_labels"][:count]
    return TensorDataset(torch.from_numpy(images).float()[:, None] / 255, torch.from_numpy(labels).long())


def judged_digits(disturbance: Disturbance) -> dict[str, FixedSamples]:
    """The digits that the disturbance is about, and the others; all digits in one group where it is about none.

    Where the patch is to come, the judged digits carry it from the start, as their region.
    """
    images, labels = digits("val", 2000).tensors
    about = {"patch": [PATCHED], "swapped labels": list(SWAPPED)}.get(disturbance, [])
    per_class = torch.stack([(labels == label).nonzero()[:12, 0] for label in range(10)])
    others = per_class[[label for label in range(10) if label not in about], :4]
    chosen = {"others": others.T.flatten()}
    if about:
        chosen["concerned"] = per_class[about].T.flatten()
    judged = {}
    for group, indices in chosen.items():
        pictures, regions = images[indices], None
        if disturbance == "patch" and group == "concerned":
            pictures = patched(pictures, labels[indices])
            regions = torch.tensor([[PATCH.start, PATCH.start, PATCH.stop, PATCH.stop]] * len(indices))
        judged[group] = FixedSamples(pictures, labels[indices], regions=regions)
    return judged


@dataclass(frozen=True)
class Run:
    """What one training left behind: every number after every epoch, the alarms, the final accuracy."""

    numbers: dict[str, list[float]]
    alarms: list[Alarm]
    accuracy: float


def train(seed: int, disturbance: Disturbance, directory: Path) -> Run:
    seed_everything(seed, verbose=False)
    alarms: list[Alarm] = []
    callbacks: list[Callback] = [
        DriftCallback(
            samples=samples,
            maps=("grad_cam", "hirescam", "saliency"),
            alarm="auto",
            on_alarm=alarms.append,
            tag_prefix=f"{group}/",
        )
        for group, samples in judged_digits(disturbance).items()
    ]
    logger = TensorBoardLogger(directory, name=disturbance.replace(" ", "_"), version=f"seed_{seed}")
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=EPOCHS,
        logger=logger,
        callbacks=[*callbacks, Plant(disturbance)],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    training = DataLoader(digits("train", TRAINING_IMAGES), 50, shuffle=True)
    trainer.fit(SmallCNN(), training, DataLoader(digits("val", 500), 500))
    events = EventAccumulator(logger.log_dir, size_guidance={"scalars": 0, "images": 1}).Reload()
    numbers = {tag: [event.value for event in events.Scalars(tag)][-EPOCHS:] for tag in events.Tags()["scalars"]}
    return Run(numbers, alarms, float(trainer.callback_metrics["val_accuracy"]))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="how many trainings of each kind")
    parser.add_argument("--log-dir", type=Path, help="keep the TensorBoard runs there")
    parser.add_argument("--figure", type=Path, default=Path("planted_drift.png"), help="where the figure goes")
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore", module="lightning.pytorch")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


if __name__ == "__main__":
    main()
