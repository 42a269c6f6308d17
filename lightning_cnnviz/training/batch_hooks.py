"""Samples from datasets and files as the model's own batch hooks would hand them over in validation."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from lightning.fabric.utilities.apply_func import move_data_to_device
from lightning.pytorch import LightningModule
from lightning.pytorch.trainer.states import RunningStage
from lightning.pytorch.utilities.model_helpers import is_overridden

from lightning_cnnviz.guard.companion import companion_preserved
from lightning_cnnviz.model.isolation import isolated
from lightning_cnnviz.samples import FixedSamples, read_batch
from lightning_cnnviz.samples.datasets import Normalization
from lightning_cnnviz.samples.pictures import affine

_BEFORE, _AFTER = "on_before_batch_transfer", "on_after_batch_transfer"


def through_batch_hooks(trainer: Any, pl_module: LightningModule, samples: FixedSamples) -> tuple[FixedSamples, str]:
    """Applies the hooks of the datamodule or of the model, once and without a trace.

    Returns:
        The samples as the model takes them, and what the user is to be told; an empty text where there are no hooks.
    """
    raw, datamodule = samples.origin.raw, getattr(trainer, "datamodule", None)
    owners = _owners(datamodule, pl_module)
    if raw is None or owners == [None, None]:
        return samples, ""
    beside = nullcontext() if datamodule is None else companion_preserved(datamodule)
    with beside, isolated(pl_module), torch.no_grad(), _as_in_validation(trainer):
        batch = move_data_to_device(copy.deepcopy(raw.batch), torch.device("cpu"))  # the hooks may write to it
        batch = _transferred(owners, pl_module, batch)
        images = read_batch(batch, raw.image_key, raw.label_key).images.detach().cpu()
    if len(images) != len(samples):
        raise ValueError(f"the batch hooks made {len(images)} images of {len(samples)}")
    same_places, normalization = _what_became_of(samples, images)
    told = (
        f"the samples went through the model's batch hooks ({' and '.join(_names(owners))}) as validation batches do: "
        "apply_batch_hooks=False leaves that out"
    )
    if samples.perturbed and normalization is None:
        told += "; its perturbed copies are left out, because what the hooks do to them is not known"
    return samples.hooked(images, normalization, keep_originals=same_places), told


def batch_as_in_validation(datamodule: Any, pl_module: LightningModule, batch: Any) -> Any:
    """A batch as the hooks of the datamodule or of the model hand it over."""
    return _transferred(_owners(datamodule, pl_module), pl_module, batch)


def _owners(datamodule: Any, pl_module: LightningModule) -> list[Any]:
    """Whose hooks are called before and after the transfer, None for nobody's."""
    given = [one for one in (datamodule, pl_module) if one is not None]
    return [next((one for one in given if is_overridden(hook, one)), None) for hook in (_BEFORE, _AFTER)]


def _transferred(owners: list[Any], pl_module: LightningModule, batch: Any) -> Any:
    if owners[0] is not None:
        batch = owners[0].on_before_batch_transfer(batch, 0)
    batch = move_data_to_device(batch, pl_module.device)
    return batch if owners[1] is None else owners[1].on_after_batch_transfer(batch, 0)


def _names(owners: list[Any]) -> list[str]:
    return [hook for hook, owner in zip((_BEFORE, _AFTER), owners, strict=True) if owner is not None]


def _what_became_of(samples: FixedSamples, images: torch.Tensor) -> tuple[bool, Normalization | None]:
    """Whether every pixel is where it was, and how the new values are turned back into those of a picture."""
    if images.shape != samples.images.shape:
        return False, None
    shades = samples.denormalized().float()
    fitted = affine(shades, images.float())
    # Only of shades that are known to be those of a picture.
    within = bool((shades > -0.01).all() and (shades < 1.01).all())
    return fitted is not None, fitted if within else None


@contextmanager
def _as_in_validation(trainer: Any) -> Iterator[None]:
    stage = trainer.state.stage
    trainer.state.stage = RunningStage.VALIDATING
    try:
        yield
    finally:
        trainer.state.stage = stage
