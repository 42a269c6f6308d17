"""Watching a forward pass: what the modules put out, noted or kept, also where later modules change it in place."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from lightning_cnnviz.model.outputs.tensors import members


@dataclass
class Recorder:
    """Keeps the outputs of each module, one for each call, and hands the model a clone of it.

    An in-place operation that follows, such as ``ReLU(inplace=True)``, then changes neither what was kept nor its place
    in the autograd graph.
    """

    outputs: dict[str, list[Tensor]] = field(default_factory=dict)
    closed: bool = False

    def record(self, name: str, output: Any) -> Any:
        """Keeps the output of one call, until it is closed. Returns what the model gets instead."""
        tensor = image_like(output)
        if tensor is None:
            return None
        if not self.closed:
            self.outputs.setdefault(name, []).append(tensor)
        return replaced(output, tensor, tensor.clone())


@contextmanager
def hooked(
    modules: Mapping[str, nn.Module],
    on_output: Callable[[str, Any], Any],
    on_input: Callable[[str, Any], None] | None = None,
) -> Iterator[None]:
    """Calls ``on_output`` with each module's name and output; what it returns, if anything, replaces the output.

    Args:
        modules: what is watched, by name.
        on_output: called when a module has finished.
        on_input: called with each module's name and arguments before it begins.
    """

    def hook(name: str) -> Callable[..., Any]:
        return lambda module, inputs, output: on_output(name, output)

    def before(name: str, told: Callable[[str, Any], None]) -> Callable[..., Any]:
        return lambda module, positional, named: told(name, (*positional, *named.values()))

    with ExitStack() as handles:
        for name, module in modules.items():
            if not isinstance(module, torch.jit.ScriptModule):  # takes no hooks
                handles.callback(module.register_forward_hook(hook(name)).remove)
                if on_input is not None:
                    told = before(name, on_input)
                    handles.callback(module.register_forward_pre_hook(told, with_kwargs=True).remove)
        yield


class Reached(BaseException):  # not an Exception: a model may catch those
    """Ends a forward pass in a hook, once what was wanted of it is known."""


def image_like(output: Any) -> Tensor | None:
    """The first tensor with four dimensions in a module's output, else the first tensor; of real numbers only.

    Neither sparse nor nested ones, nor those inside ``torch.vmap``, which stand for many and do not outlive it.
    """
    tensors = [
        tensor
        for tensor in tensors_in(output)
        if tensor.is_floating_point() and not is_packed(tensor) and not is_vmapped(tensor)
    ]
    return next((tensor for tensor in tensors if tensor.ndim == 4), tensors[0] if tensors else None)


def is_packed(tensor: Tensor) -> bool:
    """Whether its values lie in no grid: a sparse tensor, or a nested one, of parts of several sizes."""
    return tensor.layout is not torch.strided or tensor.is_nested


def is_vmapped(tensor: Tensor) -> bool:
    """Whether it is one of those that stand for many inside ``torch.vmap``."""
    inner = torch._C._functorch
    while inner.is_functorch_wrapped_tensor(tensor):
        if inner.is_batchedtensor(tensor):
            return True
        tensor = inner.get_unwrapped(tensor)
    return False


def tensors_in(output: Any) -> list[Tensor]:
    """The tensors in a module's output."""
    found = [output] if isinstance(output, Tensor) else [member for _, member in members(output)]
    return [tensor for tensor in found if isinstance(tensor, Tensor)]


def replaced(output: Any, old: Tensor, new: Tensor) -> Any:
    """The same structure with one tensor replaced."""

    def swap(member: Any) -> Any:
        return new if member is old else member

    if output is old:
        return new
    if isinstance(output, Mapping):
        swapped = {key: swap(member) for key, member in output.items()}
        return swapped if type(output) is dict else type(output)(swapped)  # type: ignore[call-arg]
    if isinstance(output, tuple) and hasattr(output, "_fields"):
        return type(output)(*map(swap, output))
    if isinstance(output, Sequence):
        return type(output)(map(swap, output))  # type: ignore[call-arg]
    return dataclasses.replace(
        output, **{f.name: new for f in dataclasses.fields(output) if getattr(output, f.name) is old}
    )
