"""Names of layers, and what kind of module has one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from lightning_cnnviz.arguments import ArgumentError

LayerSpec: TypeAlias = str | Sequence[str]
"""A layer's name, a glob such as ``"layer?.0.conv1"``, ``"auto"``, ``"first"``, ``"last"``, ``"all"``, or a sequence of
those."""

_QUANTIZED = ("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized")

KEYWORDS = ("auto", "first", "last", "all")


class UnknownLayerError(ValueError, KeyError):
    """A name that no layer has; the message lists the nearest names."""

    __str__ = ValueError.__str__


def clean_name(name: str) -> str:
    """The name of a module as the user wrote it, without what ``torch.compile`` puts in between.

    >>> clean_name("model._orig_mod.layer4")
    'model.layer4'
    """
    return ".".join(part for part in name.split(".") if part != "_orig_mod")


def named_layers(model: nn.Module) -> dict[str, nn.Module]:
    """All modules below the model under their clean names."""
    return {clean_name(name): module for name, module in model.named_modules() if clean_name(name)}


def evenly_chosen(names: Sequence[str], most: int) -> tuple[str, ...]:
    """All of the names, or so many of more, evenly spaced, the first and the last ones among them.

    >>> evenly_chosen(["conv1", "conv2", "conv3", "conv4", "conv5"], most=3)
    ('conv1', 'conv3', 'conv5')
    """
    if len(names) <= most:
        return tuple(names)
    return tuple(names[round(index * (len(names) - 1) / (most - 1))] for index in range(most))


def is_convolution(module: nn.Module) -> bool:
    """Whether a module is a two-dimensional convolution, transposed ones and classes of one's own included."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        return True
    return not isinstance(module, torch.jit.ScriptModule) and _own_kernel(module) is not None


def kernel_of(module: nn.Module) -> Tensor | None:
    """The kernels of a convolution (out, in, kh, kw) or the weights of a linear layer (out, in), None if it has none.

    Of a transposed convolution without groups in the same order; those of a class of one's own are its only parameter
    with four dimensions.
    """
    weight: Any = getattr(module, "weight", None)
    if not isinstance(weight, Tensor) or weight.ndim < 2:
        weight = _own_kernel(module)
    if weight is None:
        return None
    whole = getattr(weight, "full_tensor", None)  # a sharded parameter
    kernels: Tensor = weight if whole is None else whole()
    return kernels.transpose(0, 1) if isinstance(module, nn.ConvTranspose2d) else kernels


def has_kernel(module: nn.Module) -> bool:
    """Whether a module has a weight of at least two dimensions, as convolutions and linear layers have."""
    if is_parametrized(module, "weight"):
        return True
    computes = isinstance(getattr(type(module), "weight", None), property)
    if computes and isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        return True
    # Reading a reparametrised weight would compute it, and take a step of spectral normalisation.
    weight: Any = vars(module).get("weight", module._parameters.get("weight"))
    return (isinstance(weight, Tensor) and weight.ndim >= 2) or _own_kernel(module) is not None


def _own_kernel(module: nn.Module) -> Tensor | None:
    kernels = [p for p in module.parameters(recurse=False) if p.ndim == 4 and p.shape[2] * p.shape[3] > 0]
    return kernels[0] if len(kernels) == 1 and min(kernels[0].shape[:2]) > 0 and kernels[0].shape[0] > 1 else None


def check_names(model: nn.Module, spec: LayerSpec, argument: str = "layers") -> None:
    """Checks before any forward pass that each name or glob of ``spec`` matches a module of the model.

    Raises:
        TypeError: ``spec`` is neither a string nor a sequence of strings.
        ValueError: a word such as "last" means nothing for this model.
        ArgumentError: nothing matches a name; the message lists the nearest ones.
    """
    entries = (spec,) if isinstance(spec, str) else tuple(spec)
    names = named_layers(model)
    for entry in entries:
        if not isinstance(entry, str):
            raise TypeError(f"{argument} takes names, globs or one of {KEYWORDS}, got {entry!r}")
        if entry in KEYWORDS and not any(is_convolution(module) for module in names.values()):
            raise ValueError(
                f"this needs a model with a two-dimensional convolution, "
                f"{type(model).__name__} has none{written_out(model) or _others(model)}"
            )
        if entry not in KEYWORDS and not any(fnmatchcase(name, clean_name(entry)) for name in names):
            raise ArgumentError(unknown(entry, names, argument))


def _others(model: nn.Module) -> str:
    """What to add where convolutions are no modules, or all of volumes, videos or sequences, or where tokens are."""
    modules = list(named_layers(model).values())
    kinds = sorted({type(module).__name__ for module in modules if isinstance(module, (nn.Conv1d, nn.Conv3d))})
    if kinds:
        return f", only {' and '.join(kinds)}: volumes, videos and sequences cannot be drawn"
    if any(isinstance(module, nn.MultiheadAttention | nn.LayerNorm) for module in modules):
        return ": tokens are maps where a layer is named with reshape=(height, width)"
    if any(parameter.ndim == 4 for parameter in model.parameters()) or any(map(_hides_convolution, model.modules())):
        return ": a convolution is seen where it is a module that the model registers, such as an nn.Conv2d attribute"
    return ""


def _hides_convolution(module: nn.Module) -> bool:
    """Whether it keeps one in a plain list or dictionary, where PyTorch itself does not find it."""
    held = [value for value in vars(module).values() if type(value) in (list, tuple, dict)]
    inner = [one for value in held for one in (value.values() if isinstance(value, dict) else value)]
    return any(isinstance(one, nn.Module) and any(map(is_convolution, one.modules())) for one in inner)


def written_out(model: nn.Module) -> str:
    """What to add to a message where the layers of a model cannot be watched; nothing where they can."""
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        return (
            ": TorchScript modules do not let their layers be watched; give the nn.Module that was scripted, "
            "or views that need no layers, such as Predictions and Saliency"
        )
    if any(isinstance(module, torch.fx.GraphModule) for module in model.modules()):
        return (
            ": an exported or traced program calls no layers, they are written out in it; give the nn.Module that was "
            "exported, or views that need no layers, such as Predictions and Saliency"
        )
    if any(type(module).__module__.startswith(_QUANTIZED) for module in model.modules()):
        return (
            ": quantised modules put out no real numbers, and no gradient goes through them; give the model as it was "
            "before it was converted, or views that need neither, such as Predictions"
        )
    return ""


def unknown(name: str, names: Iterable[str], argument: str = "layers") -> str:
    """The message for a layer that does not exist."""
    return f"{argument}={name!r}: the model has no such layer; {nearest(name, names)}"


def nearest(name: str, names: Iterable[str]) -> str:
    """Names to suggest instead of one that does not serve."""
    names = list(names)
    close = difflib.get_close_matches(name, names, n=5, cutoff=0.5) or names[:5]
    return f"nearest: {', '.join(close)}" if close else "there are none to choose from"
