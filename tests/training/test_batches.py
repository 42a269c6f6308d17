"""Samples come out of the batches, whatever form these have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset
from torchvision import transforms

from lightning_cnnviz import (
    CNNVisualizer,
    FixedSamples,
    Predictions,
    PrototypeCallback,
    Prototypes,
)
from tests.helpers.training import (
    CLASSES,
    DEFAULT_TAGS,
    SIZE,
    SmallCNN,
    fit,
    image_steps,
    loader,
    stripes,
    trainer,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers", "ignore:.*LeafSpec", "ignore:.*log_every"
)


def test_class_means_are_those_of_the_training_images(tmp_path: Path) -> None:
    callback = PrototypeCallback(steps=2)
    fit(tmp_path, [callback], max_epochs=2)
    images, labels = stripes(24).tensors
    view = callback.views[0]
    assert isinstance(view, Prototypes)
    found = view._means.fill(torch.zeros(CLASSES, 1, SIZE, SIZE), CLASSES)
    wanted = torch.stack([images[labels == index].mean(dim=0) for index in range(CLASSES)])
    assert torch.allclose(found, wanted, atol=1e-6)


def test_samples_are_spread_over_classes_and_taken_once(tmp_path: Path) -> None:
    callback = CNNVisualizer([Predictions()], samples=5)
    fit(tmp_path, [callback], max_epochs=1)
    assert callback.samples is not None
    assert callback.samples.labels is not None
    assert sorted(callback.samples.labels.tolist()) == [0, 0, 1, 1, 2]


def test_normalisation_and_class_names_come_from_the_dataset(tmp_path: Path) -> None:
    class Named(TensorDataset):
        classes = ("top", "middle", "bottom")
        transform = transforms.Compose([transforms.Normalize((0.25,), (0.5,))])

    callback = CNNVisualizer([Predictions()])
    run = trainer(tmp_path, [callback], max_epochs=1)
    run.fit(SmallCNN(), loader(), DataLoader(Named(*stripes(12).tensors), 4))
    assert callback.samples is not None
    assert callback.samples.class_names == ("top", "middle", "bottom")
    assert (callback.samples.mean, callback.samples.std) == ((0.25,), (0.5,))


@pytest.mark.parametrize("batch_kind", ["dict", "nested", "bare"])
def test_batches_of_other_forms(tmp_path: Path, batch_kind: str) -> None:
    images, labels = stripes(12).tensors

    def collate(items: list[Any]) -> Any:
        batch = {"image": torch.stack([item[0] for item in items]), "label": torch.stack([item[1] for item in items])}
        return {"dict": batch, "nested": {"inputs": batch}, "bare": batch["image"]}[batch_kind]

    class AnyBatch(SmallCNN):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            pass

    keys = {"image_key": "inputs.image", "label_key": "inputs.label"} if batch_kind == "nested" else {}
    callback = CNNVisualizer([Predictions()], **keys)
    run = trainer(tmp_path, [callback], max_epochs=1)
    run.fit(AnyBatch(), loader(), DataLoader(TensorDataset(images, labels), 4, collate_fn=collate))
    assert callback.samples is not None
    assert (callback.samples.labels is None) == (batch_kind == "bare")
    assert len(image_steps(tmp_path)["predictions"]) == 2


def test_given_samples_need_no_validation(tmp_path: Path) -> None:
    samples = FixedSamples(*stripes(4).tensors)
    run = trainer(tmp_path, [CNNVisualizer([Predictions()], samples)], limit_val_batches=0)
    run.fit(SmallCNN(), loader())
    assert image_steps(tmp_path)["predictions"] == [0, 6, 12]


def test_without_validation_it_takes_training_images_and_says_so(tmp_path: Path) -> None:
    run = trainer(tmp_path, [CNNVisualizer()], limit_val_batches=0, max_epochs=1)
    with pytest.warns(UserWarning, match="no validation to take samples from, so they are training images"):
        run.fit(SmallCNN(), loader())
    assert image_steps(tmp_path).keys() == set(DEFAULT_TAGS)
