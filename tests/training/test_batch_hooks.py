"""The hooks of a datamodule or of a model are called for samples, and neither they nor the samples are left changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningDataModule, seed_everything
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lightning_cnnviz import CNNVisualizer, FixedSamples, Predictions
from lightning_cnnviz.training.batch_hooks import through_batch_hooks
from tests.helpers.training import SmallCNN, trainer


class Named(Dataset[Any]):
    """Items that are dictionaries, or tuples."""

    def __init__(self, *, keys: bool = False) -> None:
        self.images = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(1))
        self.keys = keys

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Any:
        image, label = self.images[index], index % 3
        return {"image": image, "label": label} if self.keys else (image, label)


def trainer_of(datamodule: Any) -> Any:
    return SimpleNamespace(datamodule=datamodule, state=SimpleNamespace(stage=None))


def in_place(batch: Any) -> Any:
    batch[0].sub_(0.5).div_(0.5)
    return batch


def entry(batch: Any) -> Any:
    batch[0] = (batch[0] - 0.5) / 0.5
    return batch


def in_place_of_a_key(batch: Any) -> Any:
    batch["image"].sub_(0.5).div_(0.5)
    return batch


def taken_out(batch: Any) -> Any:
    batch["image"] = (batch.pop("image") - 0.5) / 0.5
    return batch


def by_numpy(batch: Any) -> Any:
    array = batch[0].numpy()
    array -= np.float32(0.5)
    array /= np.float32(0.5)
    return batch


NORMALIZE: dict[str, Callable[[Any], Any]] = {
    "in place": in_place,
    "entry": entry,
    "in place of a key": in_place_of_a_key,
    "taken out": taken_out,
    "by numpy": by_numpy,
}


@pytest.mark.parametrize("hook", ["on_before_batch_transfer", "on_after_batch_transfer"])
@pytest.mark.parametrize("how", NORMALIZE)
def test_samples_that_are_used_twice_are_normalised_once_each_time(how: str, hook: str) -> None:
    keys = {"image_key": "image", "label_key": "label"} if how in ("in place of a key", "taken out") else {}
    samples = FixedSamples.from_dataset(Named(keys=bool(keys)), [0, 1, 2], **keys)  # type: ignore[arg-type]
    before = samples.images.clone()
    module = type("Module", (LightningDataModule,), {hook: lambda self, batch, index: NORMALIZE[how](batch)})()
    for _ in range(2):
        found, _ = through_batch_hooks(trainer_of(module), SmallCNN(), samples)
        assert torch.equal(found.images, (before - 0.5) / 0.5)
    assert torch.equal(samples.images, before)


class Augmenting(LightningDataModule):
    """Adds noise of a generator of its own to the batches that it counts."""

    def __init__(self) -> None:
        super().__init__()
        self.generator, self.calls = torch.Generator().manual_seed(3), 0

    def on_after_batch_transfer(self, batch: Any, index: int) -> Any:
        self.calls += 1
        images, labels = batch
        return images + 0.1 * torch.randn(images.shape, generator=self.generator), labels


class Reaching(SmallCNN):
    def on_after_batch_transfer(self, batch: Any, index: int) -> Any:
        self.beside.calls += 1
        return batch


def test_a_datamodule_is_as_before_its_hooks() -> None:
    datamodule = Augmenting()
    state = datamodule.generator.get_state()
    samples = FixedSamples.from_dataset(Named(), [0, 1])
    found, told = through_batch_hooks(trainer_of(datamodule), SmallCNN(), samples)
    assert "on_after_batch_transfer" in told
    assert not torch.equal(found.images, samples.images)
    assert datamodule.calls == 0
    assert torch.equal(datamodule.generator.get_state(), state)


def test_a_datamodule_is_as_before_the_hooks_of_the_model() -> None:
    datamodule, model = LightningDataModule(), Reaching()
    datamodule.calls = 0  # type: ignore[attr-defined]
    object.__setattr__(model, "beside", datamodule)
    through_batch_hooks(trainer_of(datamodule), model, FixedSamples.from_dataset(Named(), [0, 1]))
    assert datamodule.calls == 0  # type: ignore[attr-defined]


def test_training_has_the_same_bits_with_the_hooks_of_a_datamodule(tmp_path: Path) -> None:
    trained = []
    for callbacks in ([], [CNNVisualizer([Predictions()], FixedSamples.from_dataset(Named(), [0, 1]))]):
        seed_everything(3, verbose=False)
        datamodule, model = Augmenting(), SmallCNN()
        run = trainer(tmp_path, callbacks, max_epochs=1)
        loader: DataLoader[Any] = DataLoader(Named(), 4)
        datamodule.train_dataloader = datamodule.val_dataloader = lambda loader=loader: loader  # type: ignore[method-assign]
        run.fit(model, datamodule=datamodule)
        weights: list[Tensor] = [parameter.detach().flatten() for parameter in model.parameters()]
        trained.append((torch.cat(weights), datamodule.calls, datamodule.generator.get_state()))
    (weights_without, calls_without, state_without), (weights_with, calls_with, state_with) = trained
    assert torch.equal(weights_without, weights_with)
    assert calls_without == calls_with
    assert torch.equal(state_without, state_with)
