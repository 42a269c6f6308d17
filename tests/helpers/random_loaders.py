"""Loaders of batches in all the forms that projects give them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from lightning.pytorch.utilities import CombinedLoader
from torch.utils.data import DataLoader, IterableDataset

from tests.helpers.random_batches import FORMS, IMAGES, LABELS, Style
from tests.helpers.random_runs import Data, Recipe
from tests.helpers.training import stripes


class Stream(IterableDataset[Any]):
    """Images without an end that anybody knows beforehand."""

    def __init__(self, source: Any) -> None:
        self.source = source

    def __iter__(self) -> Iterator[Any]:
        return (self.source[index] for index in range(len(self.source)))


class Batches(LightningDataModule):
    """Makes a loader whenever it is asked for one, and draws a random number at that."""

    def __init__(self, plan: Recipe) -> None:
        super().__init__()
        self.plan = plan

    def train_dataloader(self) -> Any:
        torch.rand(1)
        return _loader(self.plan, training=True)

    def val_dataloader(self) -> Any:
        return _loader(self.plan, training=False)

    test_dataloader = val_dataloader


def data(plan: Recipe, ours: Any) -> tuple[Data, Data]:
    """What ``fit``, and what ``validate`` and ``test`` are given."""
    kind = Style.of(plan.seed).loaders
    if kind == "datamodule":
        return {"datamodule": Batches(plan)}, {"datamodule": Batches(plan)}
    training, judging = _loader(plan, training=True), _loader(plan, training=False)
    several: dict[str, Any] = {
        "several": [judging, _loader(plan, training=False)],
        "named": {"a": judging, "b": _loader(plan, training=False)},
    }
    if kind == "cycled":
        training = CombinedLoader({"first": training, "second": _loader(plan, training=False)}, "max_size_cycle")
    judged = several.get(kind, judging)
    return {"train_dataloaders": training, "val_dataloaders": judged}, {"dataloaders": judged}


def _loader(plan: Recipe, *, training: bool) -> Any:
    style = Style.of(plan.seed)

    def collate(items: Sequence[Any]) -> Any:
        images, labels = (torch.stack(parts) for parts in zip(*items, strict=True))
        return FORMS[style.form][0](IMAGES[style.images][0](images), LABELS[style.labels][0](labels))

    source: Any = Stream(stripes(12)) if training and style.loaders == "stream" else stripes(12)
    shuffle = plan.loaders["shuffle"] and training and not isinstance(source, Stream)
    return DataLoader(source, collate_fn=collate, **{**plan.loaders, "shuffle": shuffle})
