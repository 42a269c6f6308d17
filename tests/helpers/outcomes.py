"""Everything that a training leaves, in a form that two of them can be compared in."""

from __future__ import annotations

import hashlib
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn


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
        self._outcome.facts[f"{place}: random numbers"] = random_state()
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


def left(model: LightningModule, trainer: Trainer) -> dict[str, Any]:
    """Hashes of all that a training leaves in its model, its optimizers and the process, by name."""
    facts: dict[str, Any] = {f"tensor {name}": digest(tensor) for name, tensor in model.state_dict().items()}
    for name, module in model.named_modules():
        for key, value in vars(module).items():
            if not key.startswith("_"):
                facts[f"attribute {name}.{key}"] = plain(value)
        facts[f"hooks {name}"] = [len(value) for key, value in vars(module).items() if key.endswith("_hooks")]
    for name, parameter in model.named_parameters():
        facts[f"gradient {name}"] = None if parameter.grad is None else digest(parameter.grad)
        facts[f"requires_grad {name}"] = parameter.requires_grad
    for number, optimizer in enumerate(trainer.optimizers):
        facts[f"optimizer {number}"] = plain(optimizer.state_dict())
    for name, value in trainer.callback_metrics.items():
        if "loss" in name or "confidence" in name:
            facts[f"metric {name}"] = float(value)
    facts["steps"] = (trainer.global_step, trainer.current_epoch, trainer.should_stop)
    facts["random numbers"] = random_state()
    facts["flags: modes"] = (torch.is_grad_enabled(), torch.is_anomaly_enabled(), torch.is_autocast_enabled("cpu"))
    facts["flags: numbers"] = (torch.get_default_dtype(), torch.get_float32_matmul_precision())
    facts["flags: determinism"] = torch.are_deterministic_algorithms_enabled()
    return facts


_STATES: dict[type, Callable[[Any], Any]] = {
    torch.Generator: lambda generator: digest(generator.get_state()),
    np.random.Generator: lambda generator: repr(generator.bit_generator.state),
    np.ndarray: lambda array: array.tolist(),
    random.Random: lambda generator: hash(generator.getstate()),
}


def plain(value: Any) -> Any:
    """What can be compared of a value: the content of tensors, generators, containers and plain objects."""
    if isinstance(value, Tensor):
        return digest(value)
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


def random_state() -> str:
    """Where the random numbers of torch, NumPy and Python are."""
    state = np.random.get_state()  # noqa: NPY002 - the generator that users' transforms draw from
    numpy = hashlib.sha256(np.asarray(state[1]).tobytes()).hexdigest() + str(state[2:])
    return digest(torch.get_rng_state()) + numpy + str(hash(random.getstate()))


def digest(tensor: Tensor) -> str:
    """A short hash of a tensor's shape and bytes."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return f"{tuple(tensor.shape)} {hashlib.sha256(flat.view(torch.uint8).numpy().tobytes()).hexdigest()[:16]}"
