"""Watch a small U-Net learn to find handwritten digits and tell them apart, pixel by pixel.

    python examples/segmentation.py        # digits of the subset beside this file, nothing to download

Two digits are pasted on each canvas; the label of a pixel is the digit that its ink belongs to. Nothing is said to
the callbacks about masks: that the model answers with the class of each pixel is read from its output and its labels,
and the names of the classes come from the datamodule.
"""

from __future__ import annotations

import argparse
import shlex
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch import LightningDataModule, LightningModule, Trainer, seed_everything
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchmetrics.classification import MulticlassJaccardIndex

from lightning_cnnviz import CNNVisualizer, Flips, GradCAM

SUBSET = Path(__file__).parent / "data" / "mnist_subset.npz"
CANVAS, DIGITS = 48, 2
CLASSES = ("background", *"0123456789")
INK = 100  # a pixel this bright belongs to its digit


def stage(in_channels: int, out_channels: int) -> nn.Sequential:
    """Two convolutions, each with batch normalisation and ReLU."""
    layers: list[nn.Module] = []
    for channels in (in_channels, out_channels):
        convolution = nn.Conv2d(channels, out_channels, 3, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(out_channels), nn.ReLU()]
    return nn.Sequential(*layers)


class SmallUNet(LightningModule):
    """A U-Net with two halvings (Ronneberger et al., 2015).

    Args:
        max_lr: the learning rate at the top of the one-cycle schedule.
    """

    def __init__(self, max_lr: float = 0.01) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.fine = stage(1, 16)  # 48 x 48
        self.middle = stage(16, 32)  # 24 x 24
        self.coarse = stage(32, 64)  # 12 x 12
        self.to_middle = nn.ConvTranspose2d(64, 32, 2, 2)
        self.merged_middle = stage(64, 32)
        self.to_fine = nn.ConvTranspose2d(32, 16, 2, 2)
        self.merged_fine = stage(32, 16)
        self.classifier = nn.Conv2d(16, len(CLASSES), 1)
        self.val_iou = MulticlassJaccardIndex(num_classes=len(CLASSES))

    def forward(self, images: Tensor) -> Tensor:
        """Class scores of each pixel before softmax, (N, 11, 48, 48), of images (N, 1, 48, 48) from 0 to 1."""
        fine = self.fine(images)
        middle = self.middle(F.max_pool2d(fine, 2))
        coarse = self.coarse(F.max_pool2d(middle, 2))
        middle = self.merged_middle(torch.cat([middle, self.to_middle(coarse)], dim=1))
        fine = self.merged_fine(torch.cat([fine, self.to_fine(middle)], dim=1))
        scores: Tensor = self.classifier(fine)
        return scores

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Cross-entropy of all pixels of one batch."""
        images, masks = batch
        loss = F.cross_entropy(self(images), masks)
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log loss and intersection over union, averaged over the classes."""
        images, masks = batch
        scores = self(images)
        self.val_iou(scores.argmax(dim=1), masks)
        self.log("val_loss", F.cross_entropy(scores, masks), prog_bar=True)
        self.log("val_iou", self.val_iou, prog_bar=True)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW under a one-cycle schedule that ends with the last training step."""
        max_lr = self.hparams["max_lr"]
        optimizer = torch.optim.AdamW(self.parameters(), lr=max_lr)
        total_steps = int(self.trainer.estimated_stepping_batches)
        scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=max_lr, total_steps=total_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class Canvases(Dataset[tuple[Tensor, Tensor]]):
    """Digits pasted on dark canvases; the same index always gives the same canvas.

    Args:
        images: (N, 28, 28) uint8, white ink on black.
        labels: (N,) integers from 0 to 9.
        count: how many canvases there are.
    """

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.integer], count: int) -> None:
        self.images, self.labels, self.count = images, labels, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """A canvas (1, 48, 48) from 0 to 1, and the class of each of its pixels (48, 48)."""
        if not 0 <= index < self.count:
            raise IndexError(index)
        draw = np.random.default_rng(index)
        canvas, mask = np.zeros((CANVAS, CANVAS), np.uint8), np.zeros((CANVAS, CANVAS), np.int64)
        for chosen in draw.integers(len(self.images), size=DIGITS):
            digit = self.images[chosen]
            top, left = draw.integers(CANVAS - len(digit) + 1, size=2)
            place = slice(top, top + len(digit)), slice(left, left + len(digit))
            canvas[place] = np.maximum(canvas[place], digit)
            mask[place][digit > INK] = self.labels[chosen] + 1
        return torch.from_numpy(canvas / np.float32(255))[None], torch.from_numpy(mask)


class CanvasDataModule(LightningDataModule):
    """Canvases with the digits of the shipped subset.

    Args:
        count: training canvases; there are a tenth as many for validation.
        batch_size: canvases in a training batch.
    """

    # CNNVisualizer takes the names of the classes from here.
    class_names = CLASSES

    def __init__(self, count: int = 2500, batch_size: int = 32) -> None:
        super().__init__()
        self.count, self.batch_size = count, batch_size

    def setup(self, stage: str) -> None:
        """Read the digits into memory."""
        with np.load(SUBSET) as subset:
            self.train_set = Canvases(subset["train_images"], subset["train_labels"], self.count)
            self.val_set = Canvases(subset["val_images"], subset["val_labels"], max(1, self.count // 10))

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """The training canvases, shuffled anew every epoch."""
        return DataLoader(self.train_set, self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """The validation canvases, always in the same order."""
        return DataLoader(self.val_set, batch_size=100)


def digits_against_background(scores: Tensor) -> Tensor:
    """Of the scores of all pixels (N, 11, 48, 48) by how much digits are ahead of the background, (N,)."""
    return (scores[:, 1:].amax(dim=1) - scores[:, 0]).relu().mean(dim=(1, 2))


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Watch a small U-Net learn to find handwritten digits.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--epochs", type=int, default=4, help="passes over the training canvases")
    parser.add_argument("--count", type=int, default=2500, help="training canvases")
    parser.add_argument("--batch-size", type=int, default=32, help="canvases in a training batch")
    parser.add_argument("--log-dir", type=Path, default=Path("lightning_logs"), help="where TensorBoard finds the run")
    parser.add_argument("--seed", type=int, default=0, help="seed of the weights and of the shuffling")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse_arguments(arguments)
    seed_everything(options.seed)
    # The digits are in memory: worker processes would cost more than they bring.
    warnings.filterwarnings("ignore", message=".*does not have many workers")
    # Lightning's own code against newer releases of torch: nothing in this script could change it.
    warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec")

    trainer = Trainer(
        accelerator="auto",
        devices=1,
        max_epochs=options.epochs,
        log_every_n_steps=10,
        logger=TensorBoardLogger(options.log_dir, name="", default_hp_metric=False),
        callbacks=[
            # Masks, feature maps, filters, and the places that speak for the digit that covers most, nothing named.
            CNNVisualizer(),
            # A function as target sees the scores of all pixels; maps of a layer of one's own choice.
            CNNVisualizer([GradCAM("merged_middle")], target=digits_against_background, tag_prefix="any_digit/"),
            # The pixels that changed their class since the last epoch.
            CNNVisualizer([Flips()]),
        ],
    )
    trainer.fit(SmallUNet(), datamodule=CanvasDataModule(options.count, options.batch_size))

    print(f"\nIntersection over union: {trainer.callback_metrics['val_iou']:.2%}")
    log_dir = shlex.quote(str(options.log_dir))
    print(f"python -m lightning_cnnviz report {log_dir}")
    print(f"tensorboard --logdir {log_dir}")


if __name__ == "__main__":
    main()
