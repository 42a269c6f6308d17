"""What is called with the images: the model, a part of it, or a function of the user's."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeAlias, get_args

from torch import Tensor, nn

from lightning_cnnviz.arguments import ArgumentError, one_of, shown
from lightning_cnnviz.model.layers.names import clean_name, is_convolution, named_layers, nearest
from lightning_cnnviz.model.outputs.readings import OutputKind

Forward: TypeAlias = str | Callable[..., Any]
"""The name of a module of the model that takes a batch of images, or a function of the images (N, C, H, W), or of the
model and the images."""

_BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def unwrapped(model: nn.Module) -> nn.Module:
    """The module itself where Fabric wrapped it; the wrapper casts, and lets nobody but Fabric call a backward."""
    is_fabrics = any(base.__name__ == "_FabricModule" for base in type(model).__mro__)
    module: nn.Module = model.module if is_fabrics else model  # type: ignore[assignment]
    return module


def entries(model: nn.Module, forward: Forward | None = None) -> dict[str, Callable[[Tensor], Any]]:
    """What may be called with images, by the name of the module, in the order in which to try.

    That is the model, if its class defines ``forward``, and then its only child with convolutions.

    Raises:
        ArgumentError: ``forward`` names no module.
        ValueError: the model has no ``forward`` and no single child that could stand for it.
    """
    if callable(forward):
        return {"": _of_images(forward, model)}
    if forward is not None:
        modules = named_layers(model)
        name = clean_name(forward)
        if name not in modules:
            raise ArgumentError(f"forward={forward!r}: the model has no such module; {nearest(name, modules)}")
        return {name: modules[name]}
    children = [
        (name, child) for name, child in model.named_children() if any(is_convolution(m) for m in child.modules())
    ]
    only: dict[str, Callable[[Tensor], Any]] = {}
    if len(children) == 1:
        only[clean_name(children[0][0])] = children[0][1]
    if _defines_forward(model):
        return {"": model, **only}
    if not only:
        raise ValueError(
            f"{type(model).__name__} defines no forward(images), and {len(children)} of its children contain "
            "convolutions; define forward so that it takes images and returns class scores, or name with forward= what "
            "to call"
        )
    return only


def check_reading(output: object, forward: object) -> None:
    """Checks the arguments that say what is called, and how to read what it returns.

    Raises:
        TypeError: one is of the wrong kind.
        ValueError: ``output`` is no kind of output.
    """
    one_of("output", output, get_args(OutputKind))
    if forward is not None and not isinstance(forward, str) and not callable(forward):
        raise TypeError(
            f"forward must be the name of a module, such as 'model', or a function of the images, got {shown(forward)}"
        )


def refused(model: nn.Module, images: Tensor, error: Exception) -> str:
    """What to tell of a ``forward`` that took no images."""
    return (
        f"{type(model).__name__}.forward() was given one batch of images of shape {tuple(images.shape)} and raised "
        f"{type(error).__name__}: {error}; forward= says what to call instead: the name of a module, such as 'model', "
        "or a function of the images"
    )


def needed_arguments(forward: Callable[..., Any]) -> int:
    """How many arguments without a default it takes by their place; 1 where that is not known."""
    try:
        parameters = inspect.signature(forward).parameters.values()
    except (TypeError, ValueError):
        return 1
    by_place = (parameter for parameter in parameters if parameter.kind in _BY_PLACE)
    return sum(parameter.default is parameter.empty for parameter in by_place)


def _of_images(forward: Callable[..., Any], model: nn.Module) -> Callable[[Tensor], Any]:
    return (lambda images: forward(model, images)) if needed_arguments(forward) == 2 else forward


def _defines_forward(model: nn.Module) -> bool:
    if "forward" in vars(model):  # a LightningModule that went through torch.compile
        return True
    owner = next(cls for cls in type(model).__mro__ if "forward" in vars(cls))
    return owner is not nn.Module and owner.__name__ != "LightningModule"
