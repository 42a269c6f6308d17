"""What the loaders of a Trainer tell without being read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lightning.pytorch.trainer.states import TrainerFn


def dataset_of(trainer: Any) -> object:
    """The dataset behind the first evaluation loader, without touching the loader's iterator."""
    loaders = trainer.test_dataloaders if trainer.state.fn == TrainerFn.TESTING else trainer.val_dataloaders
    if trainer.state.fn == TrainerFn.FITTING and not trainer.enable_validation:
        loaders = trainer.train_dataloader
    return getattr(first_loader(loaders), "dataset", None)


def first_loader(loaders: Any) -> Any:
    """The first of the loaders that a Trainer or a datamodule has, however they are nested."""
    loaders = getattr(loaders, "iterables", loaders)
    while isinstance(loaders, Sequence | Mapping) and loaders:
        loaders = next(iter(loaders.values())) if isinstance(loaders, Mapping) else loaders[0]
    return loaders


def more_to_come(trainer: Any) -> bool:
    """Whether validation has more batches than the sanity check, or training is what the samples are taken from."""
    sanity, all_batches = trainer.num_sanity_val_batches, trainer.num_val_batches
    return not sanity or not all_batches or sanity[0] < all_batches[0]
