"""The regimes of training in which the callbacks must be perfect guests, as one table.

``docs/regimes.md`` is made from it, and ``tests/training/test_regimes.py`` runs every row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch import Callback, LightningModule
from lightning.pytorch.callbacks import (
    EarlyStopping,
    LearningRateFinder,
    ModelCheckpoint,
    ModelPruning,
    StochasticWeightAveraging,
)
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tests.helpers import regime_models as models
from tests.helpers.training import SmallCNN, averaging, loader, stripes


@dataclass(frozen=True)
class Regime:
    """One way to train.

    Attributes:
        name: the test's id.
        about: what is special about it, for the docs.
        options: of the Trainer.
        model: makes the model.
        before: makes callbacks that stand before ours on the Trainer.
        after: makes callbacks that stand after ours.
        loaders: makes the loaders that the method takes.
        method: of the Trainer.
        looks: how often our callbacks draw; 0 where there is nothing to write to, or no sample.
        fast: whether it is cheap enough to run with every change.
    """

    name: str
    about: str
    options: dict[str, Any] = field(default_factory=dict)
    model: Callable[[], LightningModule] = SmallCNN
    before: Callable[[Path], list[Callback]] = lambda directory: []
    after: Callable[[Path], list[Callback]] = lambda directory: []
    loaders: Callable[[], tuple[Any, ...]] = lambda: (loader(shuffle=True), loader())
    method: Literal["fit", "validate", "test"] = "fit"
    looks: int = 3
    fast: bool = False


class Augmented(Dataset[tuple[Tensor, Tensor]]):
    """Noise from torch's global generator on every image, in whichever worker loads it."""

    def __init__(self) -> None:
        self.source = stripes()

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image, label = self.source[index]
        return image + 0.1 * torch.randn_like(image), label


def workers() -> tuple[Any, Any]:
    return (
        DataLoader(Augmented(), 4, shuffle=True, num_workers=2, multiprocessing_context="fork"),
        DataLoader(Augmented(), 4, num_workers=2, multiprocessing_context="fork"),
    )


def checkpoints(directory: Path, monitor: str = "val_loss") -> list[Callback]:
    return [
        EarlyStopping(monitor, patience=1, mode="max"),
        ModelCheckpoint(directory / "checkpoints", monitor=monitor, mode="max", save_top_k=2),
    ]


REGIMES = [
    Regime("plain", "automatic optimisation, BatchNorm, dropout, shuffled batches", fast=True),
    Regime(
        "accumulation",
        "`accumulate_grad_batches=4` with a validation inside the window",
        {"accumulate_grad_batches": 4, "val_check_interval": 3},
        looks=4,
        fast=True,
    ),
    Regime(
        "validation_by_steps",
        "`check_val_every_n_epoch=None` with `val_check_interval`",
        {"check_val_every_n_epoch": None, "val_check_interval": 4},
        looks=4,
    ),
    Regime("no_sanity_check", "`num_sanity_val_steps=0`", {"num_sanity_val_steps": 0}, looks=2),
    Regime("gradient_clipping", "`gradient_clip_val`", {"gradient_clip_val": 0.1}),
    Regime("two_optimizers", "manual optimisation with two optimizers", model=models.TwoOptimizers),
    Regime(
        "optimizer_in_backward",
        "optimizers that step in `register_post_accumulate_grad_hook`",
        model=models.StepsInBackward,
        fast=True,
    ),
    Regime("scheduler", "`ReduceLROnPlateau` on the model's validation loss", model=models.StepsScheduler),
    Regime("frozen_batchnorm", "a BatchNorm kept in evaluation mode", model=models.FrozenBatchNorm),
    Regime("frozen_backbone", "a backbone without gradients", model=models.FrozenBackbone),
    Regime("draws_in_forward", "random numbers of torch, numpy and Python in `forward`", model=models.DrawsInForward),
    Regime("no_running_statistics", "BatchNorm without running statistics", model=models.NoRunningStatistics),
    Regime(
        "counts_calls",
        "a forward hook that counts in a buffer, attributes and a list",
        model=models.CountsCalls,
        fast=True,
    ),
    Regime("reassigns_buffer", "a buffer and a tensor assigned anew in each call", model=models.ReassignsBuffer),
    Regime(
        "logs_in_forward",
        "`self.log` inside `forward`, with `EarlyStopping` and `ModelCheckpoint` on it",
        {"enable_checkpointing": True, "max_epochs": 3},
        models.LogsInForward,
        after=lambda directory: checkpoints(directory, "confidence"),
    ),
    Regime("measures_in_forward", "a torchmetrics metric updated inside `forward`", model=models.MeasuresInForward),
    Regime("backward_hooks", "the user's own full backward hooks", model=models.BackwardHooks),
    Regime("reparametrized", "spectral and weight normalisation", model=models.Reparametrized),
    Regime("detect_anomaly", "`detect_anomaly=True`", {"detect_anomaly": True}),
    Regime("deterministic", "`deterministic=True`", {"deterministic": True}),
    Regime("bf16_mixed", '`precision="bf16-mixed"`', {"precision": "bf16-mixed"}, fast=True),
    Regime("bf16_true", '`precision="bf16-true"`', {"precision": "bf16-true"}),
    Regime("16_mixed", '`precision="16-mixed"`; on the CPU Lightning makes it bf16', {"precision": "16-mixed"}),
    Regime("16_true", '`precision="16-true"`', {"precision": "16-true"}),
    Regime("64_true", '`precision="64-true"`', {"precision": "64-true"}),
    Regime("channels_last", "weights and images in `torch.channels_last`", model=models.ChannelsLast),
    Regime("workers", "two loader workers with random augmentation", loaders=workers),
    Regime("overfit_batches", "`overfit_batches=2`", {"overfit_batches": 2}),
    Regime("fast_dev_run", "`fast_dev_run=True`: there is no logger to write to", {"fast_dev_run": True}, looks=0),
    Regime(
        "barebones",
        "`barebones=True`: no logger, no sanity check",
        {"barebones": True, "logger": None, "log_every_n_steps": None},
        looks=0,
    ),
    Regime(
        "several_validation_loaders",
        "two validation loaders",
        loaders=lambda: (loader(shuffle=True), [loader(), loader(batch_size=3)]),
    ),
    Regime("no_validation", "no validation at all: samples are training images", {"limit_val_batches": 0}, looks=2),
    Regime(
        "averaging_before",
        "`WeightAveraging` before the visualizer: raw weights are drawn",
        before=lambda directory: [averaging()],
    ),
    Regime(
        "averaging_after",
        "`WeightAveraging` after the visualizer: averaged weights are drawn",
        after=lambda directory: [averaging()],
    ),
    Regime(
        "stochastic_weight_averaging",
        "`StochasticWeightAveraging`",
        {"max_epochs": 3},
        before=lambda directory: [StochasticWeightAveraging(0.01, swa_epoch_start=1, annealing_epochs=1)],
        looks=5,
    ),
    Regime(
        "pruning",
        "`ModelPruning`, which computes weights in forward hooks",
        before=lambda directory: [ModelPruning("l1_unstructured", amount=0.3)],
    ),
    Regime(
        "learning_rate_finder",
        "`LearningRateFinder`, which trains and starts over",
        model=models.HasLearningRate,
        before=lambda directory: [LearningRateFinder(num_training_steps=5)],
    ),
    Regime(
        "early_stopping",
        "`ModelCheckpoint` and `EarlyStopping` on the model's validation loss",
        {"enable_checkpointing": True, "max_epochs": 4},
        after=checkpoints,
    ),
    Regime(
        "validate",
        "`trainer.validate()` alone, under inference mode",
        loaders=lambda: (loader(),),
        method="validate",
        looks=1,
    ),
    Regime(
        "validate_counting",
        "`trainer.validate()` alone with a model that counts its calls",
        model=models.CountsCalls,
        loaders=lambda: (loader(),),
        method="validate",
        looks=1,
    ),
    Regime(
        "validate_reassigning",
        "`trainer.validate()` alone with a buffer assigned anew under inference mode",
        model=models.ReassignsBuffer,
        loaders=lambda: (loader(),),
        method="validate",
        looks=1,
        fast=True,
    ),
    Regime(
        "validate_measuring",
        "`trainer.validate()` alone with a metric updated inside `forward`",
        model=models.MeasuresInForward,
        loaders=lambda: (loader(),),
        method="validate",
        looks=1,
    ),
    Regime(
        "test_reassigning",
        "`trainer.test()` alone with a buffer assigned anew under inference mode",
        model=models.ReassignsBuffer,
        loaders=lambda: (loader(),),
        method="test",
        looks=1,
    ),
]
