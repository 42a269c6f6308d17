"""Trainings put together at random from a seed, run with and without the callback, and everything they leave."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import random
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import (
    EarlyStopping,
    LearningRateMonitor,
    ModelCheckpoint,
    StochasticWeightAveraging,
)
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader

from tests.helpers.quirks import CHANNELS, QUIRKS
from tests.helpers.training import CLASSES, averaging, stripes

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


class Net(LightningModule):
    """Two convolutions with odd layers in between, trained in one of many ways."""

    def __init__(self, plan: Recipe) -> None:
        super().__init__()
        self.plan = plan
        self.stem = nn.Sequential(nn.Conv2d(1, CHANNELS, 3, padding=1), nn.BatchNorm2d(CHANNELS), nn.ReLU(inplace=True))
        self.odd = nn.Sequential(*(QUIRKS[name]() for name in plan.quirks))
        self.body = nn.Sequential(nn.Conv2d(CHANNELS, 6, 3, stride=2), nn.ReLU(inplace=True))
        self.drop, self.head = nn.Dropout(0.2), nn.Linear(6, CLASSES)
        self.automatic_optimization = plan.optimizer != "manual"
        self.in_step = False
        self.outside: Callable[[Tensor], Any] | None = None
        self.hook_act: Callable[..., None] | None = None

    def forward(self, images: Tensor) -> Any:
        features = self.body(self.odd(self.stem(images)))
        scores = self.head(self.drop(features.mean(dim=(2, 3))))
        if self.plan.logs and self._trainer is not None and self.in_step:
            self.log("confidence", scores.detach().float().softmax(1).amax(1).mean(), on_epoch=True)
        if not self.in_step and self.outside is not None:
            return self.outside(scores)
        return scores

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        if self.hook_act is not None and _asked_by_us():
            self.hook_act()
        return [batch[0] * 1.5 - 0.5, batch[1]]

    def loss(self, batch: Any) -> Tensor:
        self.in_step = True
        try:
            images, labels = batch
            if not (self.plan.penalty and torch.is_grad_enabled()):
                return F.cross_entropy(self(images), labels)
            images = images.clone().requires_grad_()
            loss = F.cross_entropy(self(images), labels)
            [gradient] = torch.autograd.grad(loss, images, create_graph=True)
            return loss + 0.1 * gradient.pow(2).sum()
        finally:
            self.in_step = False

    def training_step(self, batch: Any, batch_idx: int) -> Tensor | None:
        loss = self.loss(batch)
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        if self.automatic_optimization:
            return loss
        for number, optimizer in enumerate(self.optimizers()):  # type: ignore[arg-type]
            optimizer.zero_grad()
            self.manual_backward(loss if number == 0 else self.loss(batch))
            optimizer.step()
        return None

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", self.loss(batch))

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self.log("test_loss", self.loss(batch))

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
        if self.plan.optimizer != "sam":
            return super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        optimizer_closure()
        with torch.no_grad():
            moved = [
                (parameter, 0.05 * parameter.grad.sign())
                for parameter in self.parameters()
                if parameter.grad is not None
            ]
            for parameter, step in moved:
                parameter.add_(step)
        optimizer_closure()
        with torch.no_grad():
            for parameter, step in moved:
                parameter.sub_(step)
        optimizer.step(closure=lambda: None)
        return None

    def configure_optimizers(self) -> Any:
        learnt = [parameter for parameter in self.parameters() if parameter.requires_grad]
        match self.plan.optimizer:
            case "sgd":
                return torch.optim.SGD(learnt, lr=0.05, momentum=0.9)
            case "adamw":
                optimizer = torch.optim.AdamW(learnt, lr=0.01, amsgrad=True, foreach=True)
                return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)]
            case "lbfgs":
                return torch.optim.LBFGS(learnt, lr=0.1, max_iter=2)
            case "schedule_free":
                return ScheduleFree(learnt)
            case "manual":
                return torch.optim.Adam(learnt[:-2], lr=0.01), torch.optim.SGD(learnt[-2:], lr=0.1)
        return torch.optim.Adam(learnt, lr=0.01)

    def _turn(self, *, training: bool) -> None:
        for optimizer in self.trainer.optimizers:
            if isinstance(optimizer, ScheduleFree):
                optimizer.turn(training=training)

    def on_train_epoch_start(self) -> None:
        self._turn(training=True)

    def on_validation_epoch_start(self) -> None:
        self._turn(training=False)

    def on_validation_epoch_end(self) -> None:
        self._turn(training=True)


def _asked_by_us() -> bool:
    return any(
        frame.f_globals.get("__name__", "").startswith("lightning_cnnviz.training.batch_hooks")
        for frame, _ in traceback.walk_stack(None)
    )


class ScheduleFree(torch.optim.Optimizer):
    """Trains at one point and is evaluated at the average of all: the parameters are exchanged in between."""

    def __init__(self, params: Any) -> None:
        super().__init__(params, {"lr": 0.05})
        self.training = True

    def turn(self, *, training: bool) -> None:
        """Exchanges the parameters with their averages."""
        if training != self.training:
            self.training = training
            for parameter, state in self.state.items():
                state["other"], parameter.data = parameter.data, state["other"]

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["other"] = parameter.detach().clone()
                parameter.sub_(parameter.grad, alpha=group["lr"])
                state["other"].lerp_(parameter, 0.3)
        return loss


@dataclass
class Outcome:
    """What a run left.

    Attributes:
        ended: how each part of its course ended.
        facts: hashes of all that it left, by name.
        told: what the user was warned of.
    """

    ended: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def differences(self, other: Outcome) -> list[str]:
        """The names of what differs."""
        names = sorted({*self.facts, *other.facts})
        found = [name for name in names if self.facts.get(name, "nothing") != other.facts.get(name, "nothing")]
        return ([f"ended {self.ended} and {other.ended}"] if self.ended != other.ended else []) + found


class Trace(Callback):
    """Takes down, hook by hook, where the random numbers are and what was logged."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._number = 0

    def _note(self, what: str, trainer: Trainer, model: LightningModule) -> None:
        self._number += 1
        place = f"{self._number:02d} {what}"
        self._outcome.facts[f"{place}: random numbers"] = _random_state()
        self._outcome.facts[f"{place}: modes"] = [module.training for module in model.modules()]
        for name, value in trainer.callback_metrics.items():
            if name.endswith(("loss", "loss_step", "loss_epoch")) or name.startswith("confidence"):
                self._outcome.facts[f"{place}: {name}"] = float(value)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self._note("batch", trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._note("epoch", trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._note("validation", trainer, pl_module)


def execute(plan: Recipe, directory: Path, ours: Any = None) -> Outcome:
    """Runs a training, with or without guests."""
    outcome = Outcome()
    with _quiet(outcome):
        seed_everything(plan.seed, verbose=False)
        model = Net(plan)
        loaders = [_loader(plan, ours, training=training) for training in (True, False)]
        if ours is not None:
            model.outside, model.hook_act = ours.outside, ours.hook_act
        if plan.course == "resume":
            saving = ModelCheckpoint(directory / "saved", filename="last", save_weights_only=False)
            first = _trainer(plan, directory / "one", ours, outcome, [saving], max_epochs=1)
            _attempt(outcome, lambda: first.fit(model, *loaders))
            seed_everything(plan.seed + 1, verbose=False)
            model = Net(plan)
            second = _trainer(plan, directory / "two", ours, outcome)
            saved = next((directory / "saved").glob("*.ckpt"), None)
            _attempt(outcome, lambda: second.fit(model, *loaders, ckpt_path=saved, weights_only=True))
            trainer = second
        else:
            trainer = _trainer(plan, directory, ours, outcome)
            _attempt(outcome, lambda: trainer.fit(model, *loaders))
        if plan.course == "twice":
            trainer.fit_loop.max_epochs = 3
            _attempt(outcome, lambda: trainer.fit(model, *loaders))
        if plan.course == "fit, validate and test":
            _attempt(outcome, lambda: trainer.validate(model, loaders[1], verbose=False))
            _attempt(outcome, lambda: trainer.test(model, loaders[1], verbose=False))
        outcome.facts |= _left(model, trainer)
    return outcome


def _attempt(outcome: Outcome, action: Callable[[], Any]) -> None:
    try:
        action()
        outcome.ended.append("well")
    except (Exception, SystemExit) as error:
        outcome.ended.append(f"{type(error).__name__}: {str(error)[:150]}")


def _loader(plan: Recipe, ours: Any, *, training: bool) -> DataLoader[Any]:
    from tests.helpers.sabotage import BadDataset

    dataset: Any = stripes(12)
    if ours is not None and ours.dataset_act is not None:
        dataset = BadDataset(dataset, ours.dataset_act)
    options = {**plan.loaders, "shuffle": plan.loaders["shuffle"] and training}
    return DataLoader(dataset, **options)


def _trainer(
    plan: Recipe, directory: Path, ours: Any, outcome: Outcome, more: list[Callback] | None = None, **options: Any
) -> Trainer:
    from tests.helpers.sabotage import BadLogger

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


def _left(model: LightningModule, trainer: Trainer) -> dict[str, Any]:
    facts: dict[str, Any] = {f"tensor {name}": _digest(tensor) for name, tensor in model.state_dict().items()}
    for name, module in model.named_modules():
        for key, value in vars(module).items():
            if not key.startswith("_"):
                facts[f"attribute {name}.{key}"] = plain(value)
        facts[f"hooks {name}"] = [len(value) for key, value in vars(module).items() if key.endswith("_hooks")]
    for name, parameter in model.named_parameters():
        facts[f"gradient {name}"] = None if parameter.grad is None else _digest(parameter.grad)
        facts[f"requires_grad {name}"] = parameter.requires_grad
    for number, optimizer in enumerate(trainer.optimizers):
        facts[f"optimizer {number}"] = plain(optimizer.state_dict())
    for name, value in trainer.callback_metrics.items():
        if "loss" in name or "confidence" in name:
            facts[f"metric {name}"] = float(value)
    facts["steps"] = (trainer.global_step, trainer.current_epoch, trainer.should_stop)
    facts["random numbers"] = _random_state()
    facts["flags: modes"] = (torch.is_grad_enabled(), torch.is_anomaly_enabled(), torch.is_autocast_enabled("cpu"))
    facts["flags: numbers"] = (torch.get_default_dtype(), torch.get_float32_matmul_precision())
    facts["flags: determinism"] = torch.are_deterministic_algorithms_enabled()
    return facts


_STATES: dict[type, Callable[[Any], Any]] = {
    torch.Generator: lambda generator: _digest(generator.get_state()),
    np.random.Generator: lambda generator: repr(generator.bit_generator.state),
    np.ndarray: lambda array: array.tolist(),
    random.Random: lambda generator: hash(generator.getstate()),
}


def plain(value: Any) -> Any:
    """What can be compared of a value: the content of tensors, generators, containers and plain objects."""
    if isinstance(value, Tensor):
        return _digest(value)
    for kind, read in _STATES.items():
        if isinstance(value, kind):
            return read(value)
    if isinstance(value, dict):
        return [(repr(key), plain(entry)) for key, entry in value.items()]
    if isinstance(value, (list, tuple, set, deque)):
        return [plain(entry) for entry in value]
    if type(value).__module__.startswith(("tests.", "types")) and not isinstance(value, nn.Module):
        return plain(getattr(value, "__dict__", {}))
    return value if isinstance(value, (bool, int, float, str)) else None


def _random_state() -> str:
    state = np.random.get_state()  # noqa: NPY002 - the generator that users' transforms draw from
    numpy = hashlib.sha256(np.asarray(state[1]).tobytes()).hexdigest() + str(state[2:])
    return _digest(torch.get_rng_state()) + numpy + str(hash(random.getstate()))


def _digest(tensor: Tensor) -> str:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return f"{tuple(tensor.shape)} {hashlib.sha256(flat.view(torch.uint8).numpy().tobytes()).hexdigest()[:16]}"
