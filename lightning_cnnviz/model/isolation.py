"""The one context in which the user's model is called, and which leaves no trace of the call."""

from __future__ import annotations

import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from operator import is_
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from lightning_cnnviz.guard.process_state import process_state_preserved, seed

_SEED = 0
_LOGGING_METHODS = ("log", "log_dict")
_BACKWARD_HOOKS = ("_backward_hooks", "_backward_pre_hooks")


@contextmanager
def isolated(model: nn.Module) -> Iterator[None]:
    """Lets the model be called, also with gradients, and puts everything back afterwards.

    Inside, the model is in evaluation mode, gradients can be taken under ``no_grad`` and under ``inference_mode``,
    autocast and anomaly detection are off, compiled code runs eagerly and random numbers come from a fixed seed.
    Afterwards, also after an exception, all of the following is as it was: each module's own mode, attributes, hooks
    and buffers, the random number generators of torch, numpy and Python, metrics logged by the model, and torch's
    global flags.

    Parameters and their gradients are never written; take gradients with ``torch.autograd.grad``, not ``backward()``.

    Raises:
        ValueError: lazy modules are not initialized yet, which their first call would do with our random numbers.
    """
    _check_initialized(model)
    with ExitStack() as stack:
        stack.enter_context(process_state_preserved())
        seed(_SEED)
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(torch.autograd.set_detect_anomaly(False))
        stack.enter_context(torch.autocast(device_type=placement(model)[0].type, enabled=False))
        stack.enter_context(_default_dtype(placement(model)[1]))
        stack.enter_context(_tolerated_nondeterminism())
        if "torch._dynamo" in sys.modules:  # importing it takes a second, and nothing is compiled without it
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(_scripted_modules_in_evaluation_mode(model))
        stack.enter_context(_modules_restored(model))
        for module in model.modules():
            _silence(module)
        _replace_inference_tensors(model)
        yield


def placement(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """The device and floating dtype that the model's input should have: those of its first parameter."""
    device = None
    for tensor in chain(model.parameters(), model.buffers()):
        if tensor.is_floating_point():
            return tensor.device, tensor.dtype
        device = device or tensor.device
    return device or torch.device("cpu"), torch.get_default_dtype()


def _check_initialized(model: nn.Module) -> None:
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if is_lazy(tensor):
            raise ValueError(f"{name} is not initialized yet: call the model once before it is looked at")


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Models trained in true half or double precision make their new tensors in that precision."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def _tolerated_nondeterminism() -> Iterator[None]:
    """On CUDA some backward passes have no deterministic kernel and would refuse to run."""
    enabled = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    if not (enabled and torch.cuda.is_initialized()):
        yield
        return
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)


@contextmanager
def _scripted_modules_in_evaluation_mode(model: nn.Module) -> Iterator[None]:
    """TorchScript keeps the mode in C++, where what we do to a module's attributes does not reach it."""
    scripted = [(module, module.training) for module in model.modules() if isinstance(module, torch.jit.ScriptModule)]
    try:
        for module, _ in scripted:
            module.training = False
        yield
    finally:
        for module, mode in scripted:
            module.training = mode


def _silence(module: nn.Module) -> None:
    """Sets attributes that :func:`_modules_restored` takes back."""
    # Not through eval(): a model may do more than set flags there, such as merging weights.
    module.__dict__["training"] = False
    # A model that logs inside forward() would overwrite the metrics that its callbacks monitor.
    for method in _LOGGING_METHODS:
        if callable(getattr(type(module), method, None)):
            module.__dict__[method] = _log_nothing
    # Hooks on the backward pass watch the training's gradients, and these are not.
    for hooks in _BACKWARD_HOOKS:
        module.__dict__[hooks].clear()


def _replace_inference_tensors(model: nn.Module) -> None:
    """Puts clones, which :func:`_modules_restored` takes back, where autograd or an in-place change would refuse."""
    clones: dict[Tensor, Tensor] = {}
    for module in model.modules():
        holders: list[Any] = [module._parameters, module._buffers, module.__dict__]
        for holder in holders:
            for name, tensor in list(holder.items()):
                if isinstance(tensor, Tensor) and tensor.is_inference():
                    holder[name] = clones[tensor] = clones.get(tensor, tensor.clone())


def _log_nothing(*args: Any, **kwargs: Any) -> None:
    pass


@contextmanager
def _modules_restored(model: nn.Module) -> Iterator[None]:
    """Restores every module's attributes one level deep, and the contents of its tensors that are not parameters."""
    restorers = [_attributes_restorer(module) for module in model.modules()]
    try:
        yield
    finally:
        for restore in restorers:
            restore()


def _attributes_restorer(module: nn.Module) -> Callable[[], None]:
    attributes = dict(module.__dict__)
    containers = [(value, value.copy()) for value in attributes.values() if type(value) in _CONTAINERS]
    loose = [
        value for value in attributes.values() if isinstance(value, Tensor) and not isinstance(value, nn.Parameter)
    ]
    buffers = [buffer for buffer in module._buffers.values() if buffer is not None]
    contents = [(tensor, _contents(tensor)) for tensor in (*buffers, *loose) if not tensor.is_inference()]

    def restore() -> None:
        module.__dict__.clear()
        module.__dict__.update(attributes)
        for container, copy in containers:
            _refill(container, copy)
        for tensor, (version, copy) in contents:
            if tensor._version != version:
                with torch.no_grad():
                    tensor.copy_(copy)

    return restore


_CONTAINERS = (dict, OrderedDict, list, set, deque)


def _contents(tensor: Tensor) -> tuple[int, Tensor]:
    return tensor._version, tensor.detach().clone()


def _refill(container: Any, copy: Any) -> None:
    if not _same_entries(container, copy):
        container.clear()
        (container.update if isinstance(container, (dict, set)) else container.extend)(copy)


def _same_entries(container: Any, copy: Any) -> bool:
    if len(container) != len(copy):
        return False
    same = all(map(is_, container, copy))
    return same and (not isinstance(container, dict) or all(map(is_, container.values(), copy.values())))
