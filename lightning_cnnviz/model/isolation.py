"""The one context in which the user's model is called, and which leaves no trace of the call."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from lightning_cnnviz.guard.large_memory import LargeMemory
from lightning_cnnviz.guard.process_state import process_state_preserved, seed
from lightning_cnnviz.guard.reachable import Reachable, reachable
from lightning_cnnviz.guard.restoring import Saved, restored
from lightning_cnnviz.guard.saved_objects import saved_objects
from lightning_cnnviz.guard.saved_tensors import SavedTensor, saved_tensors
from lightning_cnnviz.guard.settings import ENVIRONMENT
from lightning_cnnviz.guard.switches import SavedSwitch

_SEED = 0
_LOGGING_METHODS = ("log", "log_dict")
_BACKWARD_HOOKS = ("_backward_hooks", "_backward_pre_hooks")


@contextmanager
def isolated(model: nn.Module) -> Iterator[None]:
    """Lets the model be called, also with gradients, and puts everything back afterwards.

    Inside, the model is in evaluation mode, gradients can be taken under ``no_grad`` and under ``inference_mode``,
    autocast and anomaly detection are off, compiled code runs eagerly and random numbers come from a fixed seed.
    Afterwards, also after an exception, all of the following is as it was: whatever can be reached from the model's
    modules (modes, hooks, parameters with their gradients, buffers, other tensors and arrays, containers, plain
    objects, generators of random numbers), metrics logged by the model, and the state of the process.

    Raises:
        ValueError: lazy modules are not initialized yet, which their first call would do with our random numbers.
    """
    _check_initialized(chain(model.named_parameters(), model.named_buffers()))
    with ExitStack() as stack:
        stack.enter_context(process_state_preserved())
        stack.enter_context(restored(lambda: [SavedSwitch(ENVIRONMENT)]))
        seed(_SEED)
        stack.enter_context(torch.inference_mode(False))  # which takes gradients also under no_grad
        stack.enter_context(torch.autograd.set_detect_anomaly(False))
        stack.enter_context(torch.autocast(device_type=placement(model)[0].type, enabled=False))
        # Models trained in true half or double precision make their new tensors in that precision.
        torch.set_default_dtype(placement(model)[1])
        _tolerate_nondeterminism()
        if "torch._dynamo" in sys.modules:  # importing it takes a second, and nothing is compiled without it
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(_scripted_modules_in_evaluation_mode(model))
        found = reachable(model)
        _check_initialized(found.tensors)  # also those of modules that are not registered
        saved = [*saved_objects(found), *saved_tensors(model, found)]
        stack.enter_context(restored(lambda: saved, lambda: _prepare(model, found, saved)))
        yield


def placement(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """The device and floating dtype that the model's input should have: those of its first parameter."""
    device = None
    for tensor in chain(model.parameters(), model.buffers()):
        if tensor.is_floating_point():
            return tensor.device, tensor.dtype
        device = device or tensor.device
    return device or torch.device("cpu"), torch.get_default_dtype()


def placed(images: Tensor, model: nn.Module) -> Tensor:
    """The images where the model expects them, free to be derived by, which those made under inference mode are not."""
    device, dtype = placement(model)
    moved = images.to(device=device, dtype=dtype)
    return moved.clone() if moved.is_inference() else moved.detach()


def _check_initialized(tensors: Iterable[tuple[str, Tensor]]) -> None:
    for name, tensor in tensors:
        if is_lazy(tensor):
            raise ValueError(f"{name} is not initialized yet: call the model once before it is looked at")


def _tolerate_nondeterminism() -> None:
    """On CUDA some backward passes have no deterministic kernel and would refuse to run."""
    if torch.are_deterministic_algorithms_enabled() and torch.cuda.is_initialized():
        torch.use_deterministic_algorithms(True, warn_only=True)


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


def _prepare(model: nn.Module, found: Reachable, saved: Sequence[Saved]) -> None:
    """Changes what the guard takes back."""
    for module in model.modules():
        # Not through eval(): a model may do more than set flags there, such as merging weights.
        module.__dict__["training"] = False
    for module in found.modules.values():  # also those that validation would not put into evaluation mode
        _silence(module)
    for entry in saved:
        if isinstance(entry, SavedTensor):
            entry.set_aside()
    _replace_inference_tensors(model)
    for entry in saved:
        if isinstance(entry, LargeMemory):
            entry.watch()


def _silence(module: nn.Module) -> None:
    # A model that logs inside forward() would overwrite the metrics that its callbacks monitor.
    for method in _LOGGING_METHODS:
        if callable(getattr(type(module), method, None)):
            module.__dict__[method] = _log_nothing
    # Hooks on the backward pass watch the training's gradients, and these are not.
    for hooks in _BACKWARD_HOOKS:
        module.__dict__[hooks].clear()


def _replace_inference_tensors(model: nn.Module) -> None:
    """Puts clones, which the guard takes back, where autograd or an in-place change would refuse."""
    clones: dict[Tensor, Tensor] = {}
    for module in model.modules():
        holders: list[Any] = [module._parameters, module._buffers, module.__dict__]
        for holder in holders:
            for name, tensor in list(holder.items()):
                if isinstance(tensor, Tensor) and tensor.is_inference():
                    holder[name] = clones[tensor] = clones.get(tensor, tensor.clone())


def _log_nothing(*args: Any, **kwargs: Any) -> None:
    pass
