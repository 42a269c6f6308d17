from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from lightning_cnnviz import CNNVisualizer, FixedSamples, Predictions
from tests.helpers.training import resuming


class Lit(LightningModule):
    def __init__(self, classes: int = 4) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.net.append(nn.Linear(4, classes))

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)

    def training_step(self, batch: Any, index: int) -> Tensor:
        return self(batch[0]).square().mean()

    def validation_step(self, batch: Any, index: int) -> None:
        self(batch[0])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.01)


def sorted_set(per_class: int = 10, classes: int = 4) -> TensorDataset:
    """Images filled with their number, all of one class after the other."""
    count = per_class * classes
    images = torch.arange(count, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 1, 8, 8).clone()
    return TensorDataset(images / count, torch.arange(classes).repeat_interleave(per_class))


def fitted(tmp_path: Path, callback: CNNVisualizer, val: Any, train: Any = None, **options: Any) -> LightningModule:
    model = options.pop("model", None) or Lit()
    trainer = Trainer(
        **{"max_epochs": 1, "limit_train_batches": 2, **options},
        accelerator="cpu",
        callbacks=[callback],
        default_root_dir=tmp_path,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, train or DataLoader(sorted_set(), 4), val)
    return model


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_a_sorted_validation_set_gives_every_class_and_no_image_twice(tmp_path, batch_size):
    callback = CNNVisualizer([Predictions()])
    fitted(tmp_path, callback, DataLoader(sorted_set(), batch_size))
    assert callback.samples.labels.tolist()[:7] == [0, 1, 2, 3, 0, 1, 2]
    numbers = (callback.samples.images[:, 0, 0, 0] * 40).round().tolist()
    assert numbers[:7] == [0, 10, 20, 30, 1, 11, 21]
    assert len(set(numbers)) == 8


def test_without_validation_training_batches_serve_and_training_is_the_same(tmp_path):
    callback = CNNVisualizer([Predictions()])
    states = []
    for callbacks in ([callback], []):
        torch.manual_seed(3)
        model = Lit()
        trainer = Trainer(
            max_epochs=2,
            accelerator="cpu",
            callbacks=callbacks,
            default_root_dir=tmp_path,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
        )
        trainer.fit(model, DataLoader(sorted_set(), 4, shuffle=True))
        states.append(torch.cat([parameter.detach().flatten() for parameter in model.parameters()]))
    assert torch.equal(*states)
    assert sorted(callback.samples.labels.tolist()) == [0, 0, 1, 1, 2, 2, 3, 3]


class Named(Dataset):
    def __init__(self, names: list[str]) -> None:
        self.CLASSES = names
        self.data = sorted_set()

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.data[index]


@pytest.mark.parametrize(("names", "shown"), [("abcd", "a"), ("abcdef", "0")])
def test_names_of_another_number_of_classes_are_not_taken(tmp_path, names, shown):
    seen = []

    class Spy(Predictions):
        def draw(self, evidence):
            seen.append(evidence.samples.class_name(0))
            return super().draw(evidence)

    fitted(tmp_path, CNNVisualizer([Spy()]), DataLoader(Named(list(names)), 8))
    assert set(seen) == {shown}


class Hooked(Lit):
    """Normalises on the device, and augments while training."""

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        images = (batch[0] - 0.25) / 0.5
        return (images + torch.rand_like(images) if self.trainer.training else images), *batch[1:]


@pytest.mark.parametrize("apply", [True, False])
def test_given_samples_go_through_the_batch_hooks_once_as_in_validation(tmp_path, apply):
    samples = FixedSamples.from_dataset(sorted_set(), [0, 15, 30], apply_batch_hooks=apply).with_patch()
    callback = CNNVisualizer([Predictions()], samples)
    model = Hooked()
    before = torch.get_rng_state()
    fitted(tmp_path, callback, DataLoader(sorted_set(), 8), model=model, max_epochs=2)
    assert not torch.equal(before, torch.get_rng_state())
    found = callback.samples
    expected = (samples.images - 0.25) / 0.5 if apply else samples.images
    assert torch.allclose(found.images, expected)
    assert (found.pictures()[2] == samples.pictures()[2]).all()
    assert found.labels.tolist() == [0, 1, 3]
    patched = samples.perturbed["patch"]
    assert torch.allclose(found.perturbed["patch"], (patched - 0.25) / 0.5 if apply else patched, atol=1e-5)


def test_hooks_that_refuse_leave_the_samples_as_they_are(tmp_path):
    class Refusing(Lit):
        def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
            if len(batch[0]) == 3:
                raise RuntimeError("not three")
            return batch

    samples = FixedSamples.from_dataset(sorted_set(), [0, 15, 30])
    callback = CNNVisualizer([Predictions()], samples)
    fitted(tmp_path, callback, DataLoader(sorted_set(), 8), model=Refusing())
    assert torch.equal(callback.samples.images, samples.images)


def test_a_resume_with_other_samples_begins_anew(tmp_path):
    class Remembering(Predictions):
        remembers_samples = True
        _memory = 0

        def state_dict(self):
            return {"memory": self._memory}

        def load_state_dict(self, state):
            self._memory = state["memory"]

    def run(samples, **options):
        view = Remembering()
        trainer = Trainer(
            accelerator="cpu",
            callbacks=[CNNVisualizer([view], samples)],
            default_root_dir=tmp_path,
            enable_progress_bar=False,
            enable_model_summary=False,
            limit_train_batches=2,
            max_epochs=options.pop("max_epochs"),
        )
        if not options:
            view._memory = 7
        trainer.fit(Lit(), DataLoader(sorted_set(), 4), DataLoader(sorted_set(), 8), **options)
        trainer.save_checkpoint(tmp_path / "a.ckpt")
        return view._memory

    images = sorted_set().tensors[0]
    assert run(FixedSamples(images[:4]), max_epochs=1) == 7
    assert run(FixedSamples(images[:4]), max_epochs=2, **resuming(tmp_path / "a.ckpt", weights_only=False)) == 7
    assert run(FixedSamples(images[4:8]), max_epochs=3, **resuming(tmp_path / "a.ckpt", weights_only=False)) == 0
