"""Watch a small CNN learn to read handwritten digits.

    python examples/mnist.py                          # the 12,000 images beside this file, nothing to download
    python examples/mnist.py --data-dir ~/datasets    # the whole of MNIST, downloaded on first use

The script ends by printing the command that opens TensorBoard on what the callbacks drew.
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
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer, seed_everything
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchmetrics.classification import MulticlassAccuracy
from torchvision import transforms
from torchvision.datasets import MNIST

from lightning_cnnviz import CNNVisualizer, PrototypeCallback

SUBSET = Path(__file__).parent / "data" / "mnist_subset.npz"
MNIST_MEAN, MNIST_STD = (0.1307,), (0.3081,)


def conv_stage(in_channels: int, out_channels: int, *, kernel_size: int = 3, downsample: bool = False) -> nn.Sequential:
    """Convolution, batch normalisation and ReLU, with the resolution halved first if asked."""
    stage = nn.Sequential()
    if downsample:
        stage.add_module("downsample", nn.MaxPool2d(2))
    # BatchNorm subtracts the mean, and with it any bias.
    stage.add_module("conv", nn.Conv2d(in_channels, out_channels, kernel_size, padding="same", bias=False))
    stage.add_module("norm", nn.BatchNorm2d(out_channels))
    stage.add_module("relu", nn.ReLU())
    return stage


class MnistCNN(LightningModule):
    """Four convolutional stages, global average pooling and one linear layer.

    The head is the one that class activation mapping was defined for (Zhou et al., 2016): a class score is a weighted
    sum of the channels of ``stage3``, averaged over the picture.

    Args:
        max_lr: the learning rate at the top of the one-cycle schedule.
    """

    def __init__(self, max_lr: float = 0.01) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.stem = conv_stage(1, 16, kernel_size=5)  # 28 x 28
        self.stage1 = conv_stage(16, 32)  # 28 x 28
        self.stage2 = conv_stage(32, 64, downsample=True)  # 14 x 14
        self.stage3 = conv_stage(64, 128, downsample=True)  # 7 x 7
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(128, 10)
        self.val_accuracy = MulticlassAccuracy(num_classes=10, average="micro")

    def forward(self, images: Tensor) -> Tensor:
        """Class scores before softmax, (N, 10), of normalised images, (N, 1, 28, 28)."""
        features = self.stage3(self.stage2(self.stage1(self.stem(images))))
        logits: Tensor = self.classifier(self.pool(features).flatten(1))
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Cross-entropy of one batch."""
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log loss and accuracy."""
        images, labels = batch
        logits = self(images)
        self.val_accuracy(logits, labels)
        self.log("val_loss", F.cross_entropy(logits, labels), prog_bar=True)
        self.log("val_accuracy", self.val_accuracy, prog_bar=True)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW under a one-cycle schedule that ends with the last training step."""
        max_lr = self.hparams["max_lr"]
        optimizer = torch.optim.AdamW(self.parameters(), lr=max_lr)
        total_steps = int(self.trainer.estimated_stepping_batches)
        scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=max_lr, total_steps=total_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class Digits(Dataset[tuple[Tensor, int]]):
    """Handwritten digits held in memory.

    Args:
        images: (N, 28, 28) uint8, white ink on black.
        labels: (N,) integers from 0 to 9.
        transform: what turns one image into the model's input.
    """

    # CNNVisualizer takes the names of the classes from here and mean and std from `transform`.
    classes = tuple("0123456789")

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.integer], transform: transforms.Compose) -> None:
        self.images = images
        self.labels = labels
        self.transform = transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(self.images[index]), int(self.labels[index])


def read_digits(data_dir: Path | None, split: str, transform: transforms.Compose) -> Digits:
    """The ``"train"`` or ``"val"`` images of the subset beside this file, or of the whole of MNIST in ``data_dir``."""
    if data_dir is None:
        with np.load(SUBSET) as subset:
            return Digits(subset[f"{split}_images"], subset[f"{split}_labels"], transform)
    whole = MNIST(data_dir, train=split == "train")
    return Digits(whole.data.numpy(), whole.targets.numpy(), transform)


class MnistDataModule(LightningDataModule):
    """MNIST, normalised to zero mean and unit variance over the training images.

    Args:
        data_dir: folder of the whole of MNIST, downloaded when missing. None: the subset shipped with the example.
        batch_size: images in a training batch.
    """

    def __init__(self, data_dir: Path | None = None, batch_size: int = 64) -> None:
        super().__init__()
        self.data_dir = data_dir
        self.batch_size = batch_size
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MNIST_MEAN, MNIST_STD)])

    def prepare_data(self) -> None:
        """Download the whole of MNIST if it was asked for and is not there."""
        if self.data_dir is not None:
            MNIST(self.data_dir, download=True)

    def setup(self, stage: str) -> None:
        """Read the images into memory."""
        self.train_set = read_digits(self.data_dir, "train", self.transform)
        self.val_set = read_digits(self.data_dir, "val", self.transform)

    def train_dataloader(self) -> DataLoader[tuple[Tensor, int]]:
        """The training images, shuffled anew every epoch."""
        return DataLoader(self.train_set, self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, int]]:
        """The validation images, always in the same order."""
        return DataLoader(self.val_set, batch_size=500)


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Watch a small CNN learn to read handwritten digits.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--data-dir", type=Path, help="folder of the whole of MNIST, instead of the shipped subset")
    parser.add_argument("--epochs", type=int, default=5, help="passes over the training images")
    parser.add_argument("--batch-size", type=int, default=64, help="images in a training batch")
    parser.add_argument("--log-dir", type=Path, default=Path("lightning_logs"), help="where TensorBoard finds the run")
    parser.add_argument("--no-callback", action="store_true", help="train without drawing anything")
    parser.add_argument("--seed", type=int, default=0, help="seed of the weights and of the shuffling")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse_arguments(arguments)
    seed_everything(options.seed)
    # The images are in memory: worker processes would cost more than they bring.
    warnings.filterwarnings("ignore", message=".*does not have many workers")
    # Lightning's own code against newer releases of torch: nothing in this script could change it.
    warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec")

    callbacks: list[Callback] = [] if options.no_callback else [CNNVisualizer(), PrototypeCallback()]
    trainer = Trainer(
        accelerator="auto",
        devices=1,
        max_epochs=options.epochs,
        log_every_n_steps=10,
        logger=TensorBoardLogger(options.log_dir, name="", default_hp_metric=False),
        callbacks=callbacks,
    )
    trainer.fit(MnistCNN(), datamodule=MnistDataModule(options.data_dir, options.batch_size))

    print(f"\nValidation accuracy: {trainer.callback_metrics['val_accuracy']:.2%}")
    if not options.no_callback:
        print(f"The run as one page: {Path(trainer.log_dir or '') / 'report.html'}")
    print(f"tensorboard --logdir {shlex.quote(str(options.log_dir))}")


if __name__ == "__main__":
    main()
