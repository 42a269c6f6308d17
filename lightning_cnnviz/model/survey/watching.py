"""Watching forward passes: what every module is called with and what it puts out, call by call."""

from __future__ import annotations

from collections.abc import Mapping, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from lightning_cnnviz.model.hooks import hooked, image_like, is_packed, is_vmapped, tensors_in
from lightning_cnnviz.model.layers.names import has_kernel, is_convolution
from lightning_cnnviz.model.layers.tokens import has_channels_last
from lightning_cnnviz.model.outputs.graph import node_of
from lightning_cnnviz.model.survey.disturbance import strays
from lightning_cnnviz.model.survey.heads import HeadFinder
from lightning_cnnviz.model.survey.placing import Called


@dataclass
class Watched:
    """What a module put out, call by call, and when it began for the first time."""

    calls: list[Called]
    began: int
    repeats_child: bool = False


class _Taking:
    """What modules are called with in one pass, by name, in the order in which they begin."""

    def __init__(self) -> None:
        self._taken: dict[str, list[Tensor | None]] = {}
        self._began: dict[str, int] = {}

    def record(self, name: str, arguments: Any) -> None:
        """Notes what a call begins with."""
        tensor = image_like(arguments)
        self._began.setdefault(name, len(self._began))
        self._taken.setdefault(name, []).append(None if tensor is None else tensor.detach())

    @property
    def called(self) -> Set[str]:
        """The names of the modules that began."""
        return self._began.keys()

    def began(self, name: str) -> int:
        """How many modules had begun before this one did."""
        return self._began.get(name, len(self._began))

    def of_call(self, name: str, number: int) -> Tensor | None:
        """What a call began with; None if that is no tensor."""
        taken = self._taken.get(name, [])
        return taken[number] if number < len(taken) else None


class Watch:
    """Notes each call of a module in the order in which they finish.

    Args:
        modules: what is watched, by name.
        images: (N, C, H, W) what the model is called with.
    """

    def __init__(self, modules: Mapping[str, nn.Module], images: Tensor) -> None:
        self._modules = modules
        self._images = images
        self._watched: dict[str, Watched] = {}
        self._unusable: dict[str, str] = {}
        self._channels_last: set[tuple[int, ...]] = set()
        self._taking = _Taking()
        self._finished = 0
        self._previous: tuple[str, Tensor] | None = None
        self._heads = HeadFinder(modules)

    def record(self, name: str, output: Any) -> None:
        """Notes one call of a module."""
        tensor = image_like(output)
        if tensor is None:
            self._unusable[name] = _why_unusable(output)
            return
        repeats = (
            self._previous is not None and self._previous[0].startswith(f"{name}.") and self._previous[1] is tensor
        )
        self._previous = (name, tensor)
        self._heads.record(name, tensor.detach())
        shape = tuple(tensor.shape[1:])
        if tensor.shape[:1] == self._images.shape[:1] and has_channels_last(self._modules[name], shape):
            self._channels_last.add(shape)
        watched = self._watched.pop(name, None) or Watched([], self._taking.began(name))
        taken = self._taking.of_call(name, len(watched.calls))
        watched.calls.append(Called(tensor, node_of(tensor), taken, finished=self._finished))
        self._finished += 1
        watched.repeats_child = repeats
        self._watched[name] = watched

    def record_input(self, name: str, arguments: Any) -> None:
        """Notes what a call of a module begins with."""
        self._taking.record(name, arguments)

    @property
    def called(self) -> Set[str]:
        """The names of the modules that were called."""
        return self._taking.called

    def first_weighted(self) -> dict[str, Called]:
        """The first calls of the layers with weights that were given maps, up to the first convolution.

        What normalises or scales the images may come before it; where anything else does, only the first layer.
        """
        found: dict[str, Called] = {}
        for name in sorted(self._watched, key=lambda name: self._watched[name].began):
            module, call = self._modules[name], self._watched[name].calls[0]
            if call.taken is None or call.taken.ndim < 3 or not _is_leaf(module):
                continue
            if call.taken.ndim == 4:
                found[name] = call
                if is_convolution(module):
                    return found
            if found and has_kernel(module):
                break
        return dict([*found.items()][:1])

    def disturbed(self) -> AbstractContextManager[None]:
        """Notes the same calls in a further pass, with one edge of one image changed."""
        counts: dict[str, int] = {}
        taking = _Taking()

        def record(name: str, output: Any) -> None:
            tensor, number = image_like(output), counts.get(name, 0)
            counts[name] = number + 1
            if tensor is not None and name in self._watched and number < len(self._watched[name].calls):
                call = self._watched[name].calls[number]
                call.disturbed.append(tensor.detach())
                call.taken_disturbed.append(taking.of_call(name, number))

        return hooked(self._modules, record, taking.record)

    def needs_another_edge(self) -> bool:
        """Whether one edge of the images does not tell how the maps lie on them."""
        samples = len(self._images)
        for name, watched in self._watched.items():
            call = watched.calls[0]
            rows = call.tensor.shape[0] if call.tensor.ndim == 4 else samples
            # Without weights it stands at several places of a network, and of its calls the last one is shown.
            if (len(watched.calls) > 1 and self._has_weights(name)) or (rows > samples and rows % samples == 0):
                return True
        first = min(self._watched.values(), key=lambda watched: watched.began, default=None)
        return first is not None and strays(self._images, first.calls[0].taken, first.calls[0].taken_disturbed)

    def _has_weights(self, name: str) -> bool:
        return any(True for _ in self._modules[name].parameters())


def _why_unusable(output: Any) -> str:
    tensors = tensors_in(output)
    if any(map(is_vmapped, tensors)):
        return (
            "is called inside torch.vmap, where nobody can keep what it puts out; forward= takes a function of model "
            "and images that calls it on the whole batch"
        )
    packed = {True: "sparse or nested ", False: ""}
    kinds = {packed[is_packed(tensor)] + str(tensor.dtype).removeprefix("torch.") for tensor in tensors}
    if kinds:
        return f"puts out {', '.join(sorted(kinds))}"
    inside = [name for name, value in vars(output).items() if isinstance(value, Tensor)] if _has_vars(output) else []
    advice = f"; an nn.Identity() that the model hands its {inside[0]!r} can be looked at" if inside else ""
    return f"puts out {type(output).__name__}, no tensor{advice}"


def _has_vars(output: Any) -> bool:
    return hasattr(output, "__dict__") and not isinstance(output, type)


def _is_leaf(module: nn.Module) -> bool:
    """Whether it has weights, and no module inside it has any; those of a parametrization are its own."""
    inner = [child for name, child in module.named_children() if name != "parametrizations"]
    return any(True for _ in module.parameters()) and not any(True for one in inner for _ in one.parameters())
