"""A training in the middle of which something goes wrong, and what its user is told of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch.nn.functional as F
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from torch import Tensor

from lightning_cnnviz import (
    CNNVisualizer,
    Evidence,
    FixedSamples,
    Request,
    View,
)
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.output.artifacts import Artifact, Picture
from tests.helpers.training import SmallCNN, loader, sha, trainer

LOOKS = [0, 5, 11]  # counted as Lightning counts
COSTS = ["seconds", "overhead", "seconds_draw", "seconds_pass", "seconds_write"]


class Silent(SmallCNN):
    """Logs nothing, so that only our writes could meet with what is wrong with the disk."""

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return F.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None: ...


class After(Callback):
    """Does something after the first epoch, when we have looked."""

    def __init__(self, action: Callable[[Trainer], None]) -> None:
        self._action = action

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch == 1:
            self._action(trainer)


class AfterEach(After):
    """Does something before each epoch but the first."""

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch > 0:
            self._action(trainer)


class Raises(View):
    """A view during which something happens, from its second look on."""

    def __init__(self, where: str, action: Callable[[], object]) -> None:
        super().__init__()
        self.where = where
        self._action = action
        self._looks = 0

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        return Request(procedures={"raises": lambda model: self._act("procedure", model.scores(model.images))})

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        evidence.result("raises")
        self._act("draw")
        self._looks += 1
        yield Picture("raises", np.zeros((96, 96, 3), np.uint8))

    def _act(self, where: str, *_: Any) -> None:
        if where == self.where and self._looks > 0:
            self._action()


def raising(error: BaseException) -> Callable[..., None]:
    def act(*_: Any) -> None:
        raise error

    return act


def trained(
    directory: Path, *callbacks: Callback, model: Callable[[], LightningModule] = SmallCNN, **options: Any
) -> tuple[str, list[str]]:
    """A hash of the trained weights, and what the user was warned of by us."""
    seed_everything(7, verbose=False)
    network = model()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer(directory, list(callbacks), **options).fit(network, loader(shuffle=True), loader())
    told = [str(warning.message) for warning in caught]
    ours = ("goes on without", "failed at flushing", "left out")
    return sha(network), [text for text in told if any(words in text for words in ours)]


def without_us(
    tmp_path: Path, *others: Callback, model: Callable[[], LightningModule] = SmallCNN, **options: Any
) -> str:
    return trained(tmp_path / "without", *others, model=model, **options)[0]


def wait_for_the_writers(trainer: Trainer) -> None:
    assert background_writer(trainer).flush(300)


def background_writer(trainer: Trainer) -> Any:
    [visualizer] = [callback for callback in trainer.callbacks if isinstance(callback, CNNVisualizer)]  # type: ignore[attr-defined]
    [writer] = visualizer.membership.session.outlet._writers.values()  # type: ignore[union-attr]
    return writer
