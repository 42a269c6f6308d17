"""Trainings put together at random from a seed, run with and without the callback."""

from __future__ import annotations

import contextlib
import logging
import random
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from lightning.pytorch.callbacks import (
    EarlyStopping,
    LearningRateMonitor,
    ModelCheckpoint,
    StochasticWeightAveraging,
)
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from torch.utils.data import DataLoader

from tests.helpers.outcomes import Outcome, Trace, left
from tests.helpers.quirks import QUIRKS
from tests.helpers.random_nets import Net
from tests.helpers.sabotage import BadDataset, BadLogger
from tests.helpers.training import averaging, stripes

Data = dict[str, Any]
OPTIMIZERS = ("sgd", "adam", "adamw", "lbfgs", "sam", "schedule_free", "manual")


@dataclass(frozen=True)
class Recipe:
    """One training.

    Attributes:
        seed: of everything.
        quirks: the layers that keep something.
        optimizer: one of `OPTIMIZERS`.
        penalty: whether the loss has a gradient penalty, which needs second derivatives.
        logs: whether ``forward`` logs.
        callbacks: names of Lightning's callbacks.
        ours_first: whether our callbacks stand before Lightning's.
        options: of the Trainer.
        course: ``"fit"``, ``"resume"``, ``"twice"``, ``"fit, validate and test"``.
        loaders: of the DataLoaders.
    """

    seed: int
    quirks: tuple[str, ...]
    optimizer: str
    penalty: bool
    logs: bool
    callbacks: tuple[str, ...]
    ours_first: bool
    options: dict[str, Any]
    course: str
    loaders: dict[str, Any] = field(default_factory=dict)


def recipe(seed: int) -> Recipe:
    """The training of a seed."""
    draw = random.Random(seed)
    quirks = tuple(sorted(draw.sample(sorted(QUIRKS), draw.choice([1, 1, 2, 3]))))
    optimizer = draw.choice(OPTIMIZERS)
    options: dict[str, Any] = {
        "precision": draw.choice(["32-true"] * 3 + ["bf16-mixed", "64-true"]),
        "max_epochs": 2,
        "limit_train_batches": draw.choice([2, 3, 0.5]),
        "limit_val_batches": draw.choice([1, 2, 2, 1.0, 0]),
        "num_sanity_val_steps": draw.choice([0, 1, 2, -1]),
        "log_every_n_steps": draw.choice([1, 2, 50]),
    }
    if "Quantized" in quirks:
        options["precision"] = "32-true"
    if optimizer == "lbfgs":  # calls the closure several times, which autocast and accumulation do not go with
        options["precision"] = "32-true"
    if optimizer != "manual" and draw.random() < 0.4:
        options["gradient_clip_val"] = draw.choice([0.1, 1.0])
        options["gradient_clip_algorithm"] = draw.choice(["norm", "value"])
    if optimizer not in ("manual", "lbfgs", "sam") and draw.random() < 0.4:
        options["accumulate_grad_batches"] = draw.choice([2, 4])
    if draw.random() < 0.3:
        options["val_check_interval"] = 1
    elif draw.random() < 0.2:
        options |= {"val_check_interval": 2, "check_val_every_n_epoch": None}
    for name, value in (
        ("detect_anomaly", True),
        ("deterministic", True),
        ("inference_mode", False),
        ("overfit_batches", 2),
        ("reload_dataloaders_every_n_epochs", 1),
        ("max_steps", 3),
    ):
        if draw.random() < 0.12:
            options[name] = value
    validates = options["limit_val_batches"] != 0
    callbacks = [name for name in ("early_stopping", "checkpoint") if validates and draw.random() < 0.3]
    if optimizer not in ("manual", "schedule_free") and draw.random() < 0.3:
        callbacks.append(draw.choice(["ema", "swa"] if optimizer in ("sgd", "adam") else ["ema"]))
    if draw.random() < 0.2:
        callbacks.append("learning_rates")
    course = draw.choice(["fit"] * 4 + ["resume", "twice", "fit, validate and test"])
    if "swa" in callbacks:
        course, options["max_epochs"] = "fit", 3
        options.pop("max_steps", None)
    if {"ema", "swa"} & set(callbacks) and course == "resume":
        course = "fit"
    return Recipe(
        seed,
        quirks,
        optimizer,
        penalty=draw.random() < 0.15 and "Quantized" not in quirks,
        logs=draw.random() < 0.25,
        callbacks=tuple(callbacks),
        ours_first=draw.random() < 0.5,
        options=options,
        course=course,
        loaders={"shuffle": draw.random() < 0.8, "batch_size": draw.choice([1, 2, 4, 5]), "drop_last": True},
    )


def execute(
    plan: Recipe,
    directory: Path,
    ours: Any = None,
    make: Callable[[Recipe], Net] = Net,
    data: Callable[[Recipe, Any], tuple[Data, Data]] | None = None,
) -> Outcome:
    """Runs a training, with or without guests.

    Args:
        plan: the training.
        directory: where it writes.
        ours: the guests.
        make: the net.
        data: what ``fit``, and what ``validate`` and ``test`` are given; None: loaders of stripes.
    """
    outcome = Outcome()
    with _quiet(outcome):
        seed_everything(plan.seed, verbose=False)
        model = make(plan)
        to_fit, to_judge = (data or _data)(plan, ours)
        if ours is not None:
            model.outside, model.hook_act = ours.outside, ours.hook_act
        if plan.course == "resume":
            saving = ModelCheckpoint(directory / "saved", filename="last", save_weights_only=False)
            first = _trainer(plan, directory / "one", ours, outcome, [saving], max_epochs=1)
            _attempt(outcome, lambda: first.fit(model, **to_fit))
            seed_everything(plan.seed + 1, verbose=False)
            model = make(plan)
            second = _trainer(plan, directory / "two", ours, outcome)
            saved = next((directory / "saved").glob("*.ckpt"), None)
            _attempt(outcome, lambda: second.fit(model, **to_fit, ckpt_path=saved, weights_only=True))
            trainer = second
        else:
            trainer = _trainer(plan, directory, ours, outcome)
            _attempt(outcome, lambda: trainer.fit(model, **to_fit))
        if plan.course == "twice":
            trainer.fit_loop.max_epochs = 3
            _attempt(outcome, lambda: trainer.fit(model, **to_fit))
        if plan.course == "fit, validate and test":
            _attempt(outcome, lambda: trainer.validate(model, **to_judge, verbose=False))
            _attempt(outcome, lambda: trainer.test(model, **to_judge, verbose=False))
        outcome.facts |= left(model, trainer)
    return outcome


def _attempt(outcome: Outcome, action: Callable[[], Any]) -> None:
    try:
        action()
        outcome.ended.append("well")
    except (Exception, SystemExit) as error:
        outcome.ended.append(f"{type(error).__name__}: {str(error)[:150]}")


def _data(plan: Recipe, ours: Any) -> tuple[Data, Data]:
    training, judging = (_loader(plan, ours, training=training) for training in (True, False))
    return {"train_dataloaders": training, "val_dataloaders": judging}, {"dataloaders": judging}


def _loader(plan: Recipe, ours: Any, *, training: bool) -> DataLoader[Any]:
    dataset: Any = stripes(12)
    if ours is not None and ours.dataset_act is not None:
        dataset = BadDataset(dataset, ours.dataset_act)
    options = {**plan.loaders, "shuffle": plan.loaders["shuffle"] and training}
    return DataLoader(dataset, **options)


def _trainer(
    plan: Recipe, directory: Path, ours: Any, outcome: Outcome, more: list[Callback] | None = None, **options: Any
) -> Trainer:
    draw = random.Random(plan.seed)
    theirs = [_callback(name, directory) for name in plan.callbacks]
    guests = [] if ours is None else ours.callbacks
    callbacks = [*guests, *theirs] if plan.ours_first else [*theirs, *guests]
    logger: Any = draw.choice([TensorBoardLogger, TensorBoardLogger, CSVLogger])(directory, name="", version="events")
    if ours is not None and ours.logger_act is not None:
        logger = BadLogger(directory, name="", version="events")
        logger.act = ours.logger_act
    fixed = {"accelerator": "cpu", "devices": 1, "enable_progress_bar": False, "enable_model_summary": False}
    fixed |= {"default_root_dir": directory, "logger": logger}
    fixed["enable_checkpointing"] = bool(more) or "checkpoint" in plan.callbacks
    return Trainer(callbacks=[*callbacks, *(more or []), Trace(outcome)], **{**plan.options, **fixed, **options})


def _callback(name: str, directory: Path) -> Callback:
    match name:
        case "early_stopping":
            return EarlyStopping("val_loss", patience=1)
        case "checkpoint":
            return ModelCheckpoint(directory / "best", monitor="val_loss")
        case "ema":
            return averaging()
        case "swa":
            return StochasticWeightAveraging(0.01, swa_epoch_start=1, annealing_epochs=1)
    return LearningRateMonitor()


@contextlib.contextmanager
def _quiet(outcome: Outcome) -> Iterator[None]:
    """Nothing is printed, and what a run leaves of the process's state ends with it."""
    loggers = [logging.getLogger(f"lightning.{name}") for name in ("pytorch", "fabric")]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger in loggers:
                logger.setLevel(logging.INFO)
            _reset()
    outcome.told = [str(warning.message) for warning in caught if "lightning_cnnviz" in str(warning.filename)]


def _reset() -> None:
    torch.use_deterministic_algorithms(False)
    torch.set_default_dtype(torch.float32)
    torch.set_float32_matmul_precision("highest")
    torch.set_grad_enabled(True)
    torch.autograd.set_detect_anomaly(False)
    torch.set_autocast_enabled("cpu", False)
