"""Everything that one look at a model must leave as it found it, taken down field by field."""

from __future__ import annotations

import dataclasses
import hashlib
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

Facts = dict[str, Any]
_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_state_dict_hooks",
)


@dataclass(frozen=True)
class Fingerprint:
    """A model, and the process around it, at one moment; two of them are compared with :meth:`differences`.

    Attributes:
        parameters: identity, version, ``requires_grad``, bytes and number of tensor hooks of each.
        gradients: identity, version and bytes of each.
        buffers: identity and bytes of each; a version goes ahead when a buffer is put back.
        modes: ``training`` of each module.
        hooks: the hooks of each module, one by one.
        attributes: every module's attributes, and the entries of those that are containers.
        generators: the states of torch's, numpy's and Python's random numbers.
        progress: steps and epochs of the Trainer.
        metrics: what has been logged so far.
        optimizers: identity, settings and state of each.
        flags: torch's global switches.
    """

    parameters: Facts
    gradients: Facts
    buffers: Facts
    modes: Facts
    hooks: Facts
    attributes: Facts
    generators: Facts
    progress: Facts
    metrics: Facts
    optimizers: Facts
    flags: Facts

    def differences(self, other: Fingerprint) -> list[str]:
        """Where the two differ, as ``field: name``."""
        return [
            f"{field.name}: {name}"
            for field in dataclasses.fields(self)
            for name in _differing(getattr(self, field.name), getattr(other, field.name))
        ]


def fingerprint(model: nn.Module, trainer: Trainer | None = None) -> Fingerprint:
    """Takes the fingerprint of a model, and of the Trainer that trains it."""
    parameters, buffers, modules = _named(model)
    return Fingerprint(
        parameters={
            name: (id(value), _version(value), value.requires_grad, _bytes(value), _tensor_hooks(value))
            for name, value in parameters.items()
        },
        gradients={
            name: None if value.grad is None else (id(value.grad), _version(value.grad), _bytes(value.grad))
            for name, value in parameters.items()
        },
        buffers={name: (id(value), _bytes(value)) for name, value in buffers.items()},
        modes={name: module.training for name, module in modules.items()},
        hooks={
            f"{name}.{kind}": [(key, id(hook)) for key, hook in getattr(module, kind, {}).items()]
            for name, module in modules.items()
            for kind in _HOOKS
        },
        attributes={
            f"{name}.{attribute}": _summary(value)
            for name, module in modules.items()
            for attribute, value in vars(module).items()
        },
        generators=_generators(),
        progress={} if trainer is None else _progress(trainer),
        metrics={} if trainer is None else _metrics(trainer),
        optimizers={} if trainer is None else dict(_optimizers(trainer)),
        flags=_flags(),
    )


def _named(model: nn.Module) -> tuple[dict[str, nn.Parameter], dict[str, Tensor], dict[str, nn.Module]]:
    return (
        dict(model.named_parameters(remove_duplicate=False)),
        dict(model.named_buffers(remove_duplicate=False)),
        dict(model.named_modules(remove_duplicate=False)),
    )


def _differing(before: Facts, after: Facts) -> Iterator[str]:
    for name in sorted({*before, *after}):
        if name not in before or name not in after or before[name] != after[name]:
            yield name


def _version(tensor: Tensor) -> int | None:
    return None if tensor.is_inference() else tensor._version


def _bytes(tensor: Tensor) -> str:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return hashlib.sha256(flat.view(torch.uint8).numpy().tobytes()).hexdigest()


def _tensor_hooks(tensor: Any) -> tuple[int, int]:
    return len(tensor._backward_hooks or ()), len(tensor._post_accumulate_grad_hooks or ())


def _summary(value: Any) -> Any:
    """Identity, and one level of content: what is inside a container is told apart by identity."""
    if isinstance(value, Tensor):
        return id(value), _bytes(value)
    if isinstance(value, Mapping):
        return id(value), [(key, id(entry)) for key, entry in value.items()]
    if isinstance(value, (Sequence, AbstractSet)) and not isinstance(value, str):
        return id(value), [id(entry) for entry in value]
    return id(value), value if isinstance(value, (bool, int, float, str)) else None


def _generators() -> Facts:
    numpy = np.random.get_state()  # noqa: NPY002 - the generator that users' transforms draw from
    return {
        "torch": _bytes(torch.get_rng_state()),
        "numpy": [entry.tobytes() if isinstance(entry, np.ndarray) else entry for entry in numpy],
        "python": random.getstate(),
        "cuda": [_bytes(state) for state in torch.cuda.get_rng_state_all()] if torch.cuda.is_initialized() else [],
    }


def _progress(trainer: Trainer) -> Facts:
    return {
        "global_step": trainer.global_step,
        "current_epoch": trainer.current_epoch,
        "batches_that_stepped": trainer.fit_loop.epoch_loop._batches_that_stepped,
    }


def _metrics(trainer: Trainer) -> Facts:
    kinds = {
        "callback": trainer.callback_metrics,
        "logged": trainer.logged_metrics,
        "progress_bar": trainer.progress_bar_metrics,
        "pending": {} if trainer._results is None else {key: item.value for key, item in trainer._results.items()},
    }
    return {
        f"{kind}.{name}": _bytes(value) if isinstance(value, Tensor) else value
        for kind, values in kinds.items()
        for name, value in values.items()
    }


def _optimizers(trainer: Trainer) -> Iterator[tuple[str, Any]]:
    for index, optimizer in enumerate(trainer.optimizers):
        yield str(index), id(optimizer)
        for number, group in enumerate(optimizer.param_groups):
            settings = {key: value for key, value in group.items() if isinstance(value, (bool, int, float))}
            yield f"{index}.group{number}", (settings, [id(parameter) for parameter in group["params"]])
            for place, parameter in enumerate(group["params"]):
                state = optimizer.state.get(parameter, {})
                yield (
                    f"{index}.group{number}.{place}",
                    {key: _bytes(value) if isinstance(value, Tensor) else value for key, value in state.items()},
                )


def _flags() -> Facts:
    dynamo = sys.modules.get("torch._dynamo.eval_frame")
    return {
        "grad": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "autocast": (torch.is_autocast_enabled("cpu"), torch.is_autocast_enabled("cuda")),
        "autocast dtype": torch.get_autocast_dtype("cpu"),
        "autocast cache": torch.is_autocast_cache_enabled(),
        "default dtype": torch.get_default_dtype(),
        "default device": torch.get_default_device(),
        "determinism": (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        "anomaly": (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "matmul precision": torch.get_float32_matmul_precision(),
        "cudnn": (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic, torch.backends.cudnn.allow_tf32),
        "compile stance": "default" if dynamo is None else dynamo._stance.stance,
    }


class Opening(Callback):
    """Stands before the callbacks under test and takes the fingerprint first in each of their hooks."""

    def __init__(self) -> None:
        self.taken: Fingerprint | None = None

    def take(self, trainer: Trainer, model: LightningModule, *_: Any) -> None:
        self.taken = fingerprint(model, trainer)

    on_train_start = on_train_batch_start = on_train_epoch_end = take
    on_validation_batch_start = on_validation_epoch_end = on_test_batch_start = on_test_epoch_end = take


class Closing(Callback):
    """Stands after the callbacks under test and compares.

    Attributes:
        differences: what their hooks changed, hook by hook.
        compared: how often it looked.
    """

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self.differences: list[str] = []
        self.compared = 0

    def compare(self, trainer: Trainer, model: LightningModule, *_: Any) -> None:
        assert self._opening.taken is not None
        self.differences += self._opening.taken.differences(fingerprint(model, trainer))
        self.compared += 1

    on_train_start = on_train_batch_start = on_train_epoch_end = compare
    on_validation_batch_start = on_validation_epoch_end = on_test_batch_start = on_test_epoch_end = compare
