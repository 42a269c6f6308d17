"""A small CNN and a real Trainer to train it with, for tests that compare trainings to the bit."""

from __future__ import annotations

import hashlib
import inspect
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_cnnviz.output.story import without_place

CLASSES, SIZE = 3, 8

DEFAULT_TAGS = {
    "predictions",
    "feature_maps/stem",
    "feature_maps/body",
    "filters/stem.0",
    "saliency/gradient",
    "grad_cam/body",
}
"""What the default views draw of `SmallCNN`."""


class SmallCNN(LightningModule):
    """Two convolutions with batch normalisation, in-place ReLU and dropout, pooled into a linear layer."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.body = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1, stride=2), nn.BatchNorm2d(6), nn.ReLU(inplace=True))
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(6, classes)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.body(self.stem(images)).mean(dim=(2, 3))
        scores: Tensor = self.head(self.dropout(features))
        return scores

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss = F.cross_entropy(self(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.log("val_loss", F.cross_entropy(self(batch[0]), batch[1]))

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self.log("test_loss", F.cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=0.01)


def stripes(count: int = 24) -> TensorDataset:
    """Noisy images with a bright row whose position is the class."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(count) % CLASSES
    images = 0.3 * torch.randn(count, 1, SIZE, SIZE, generator=generator)
    images[torch.arange(count), 0, labels * 2 + 1] += 1
    return TensorDataset(images, labels)


def loader(*, shuffle: bool = False, batch_size: int = 4, count: int = 24, **options: Any) -> DataLoader[Any]:
    return DataLoader(stripes(count), batch_size, shuffle=shuffle, **options)


def trainer(directory: Path, callbacks: list[Callback], **options: Any) -> Trainer:
    """A quiet CPU Trainer that writes into ``directory/events``."""
    options = {
        "max_epochs": 2,
        "accelerator": "cpu",
        "devices": 1,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "log_every_n_steps": 1,
        "logger": TensorBoardLogger(directory, name="", version="events"),
        **options,
    }
    return Trainer(callbacks=callbacks, **options)


def averaging() -> Callback:
    """Lightning's moving average of the weights, which versions before 2.6 do not have."""
    from lightning.pytorch import callbacks

    if not hasattr(callbacks, "EMAWeightAveraging"):
        pytest.skip("this version of Lightning does not average weights")
    return callbacks.EMAWeightAveraging(decay=0.5)


def resuming(checkpoint: Path, *, weights_only: bool) -> dict[str, Any]:
    """What ``Trainer.fit`` is given to go on from a checkpoint; before Lightning 2.6 it loads one way only."""
    options: dict[str, Any] = {"ckpt_path": checkpoint, "weights_only": weights_only}
    known = inspect.signature(Trainer.fit).parameters
    return {name: value for name, value in options.items() if name in known}


def fit(
    directory: Path, callbacks: list[Callback], model: LightningModule | None = None, **options: Any
) -> LightningModule:
    """Trains from fixed seeds; ``model`` must have been made from the same seed in runs that are compared."""
    seed_everything(7, verbose=False)
    if model is None:
        model = SmallCNN()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\.")  # not ours, which are in lightning_cnnviz
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        trainer(directory, callbacks, **options).fit(model, loader(shuffle=True), loader())
    return model


def sha(model: nn.Module) -> str:
    """One hash of all parameters and buffers."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def events(directory: Path) -> EventAccumulator:
    """What TensorBoard reads of a run that :func:`trainer` wrote."""
    accumulator = EventAccumulator(str(directory / "events"), size_guidance={"images": 0, "scalars": 0, "tensors": 0})
    accumulator.Reload()
    return accumulator


def image_steps(directory: Path) -> dict[str, list[int]]:
    """The steps of every picture, by its tag without its place on the page."""
    accumulator = events(directory)
    return {
        tag: [image.step for image in accumulator.Images(placed)] for tag, placed in image_tags(accumulator).items()
    }


def image_tags(accumulator: EventAccumulator) -> dict[str, str]:
    """The tags of all pictures, by the same without their place on the page."""
    return {without_place(tag): tag for tag in accumulator.Tags()["images"]}
