"""The tensors in what a model returns, however deep they lie: each has a path."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

Path: TypeAlias = tuple[int | str, ...]

_DEEPEST = 4  # caches of language models and the like go further down


def key_path(key: int | str) -> Path:
    """The steps of a key: ``"heads.cls"`` or ``"0.logits"`` in nested outputs.

    >>> key_path("heads.0")
    ('heads', 0)
    """
    if isinstance(key, int):
        return (key,)
    return tuple(int(part) if part.lstrip("-").isdigit() else part for part in key.split("."))


def at(output: Any, path: Path) -> Any:
    """What lies at a path of a nested output, None if nothing does."""
    for step in path:
        output = _entry(output, step)
    return output


def members(output: Any) -> list[tuple[int | str, Any]]:
    """The members of a mapping, sequence or dataclass by key, index or name; none of anything else."""
    if isinstance(output, Mapping):
        return [(key if isinstance(key, int) else str(key), value) for key, value in output.items()]
    if isinstance(output, tuple) and hasattr(output, "_fields"):
        return list(zip(output._fields, output, strict=True))
    if isinstance(output, Sequence) and not isinstance(output, (str, bytes)):
        return list(enumerate(output))
    if dataclasses.is_dataclass(output):
        return [(field.name, getattr(output, field.name)) for field in dataclasses.fields(output)]
    return []


def entries(output: Any, path: Path = ()) -> list[tuple[Path, Tensor]]:
    """All tensors in a nested output, with their paths."""
    if isinstance(output, Tensor):
        return [(path, output)]
    if len(path) >= _DEEPEST:
        return []
    inside = members(output) or _attributes(output)
    return [found for step, member in inside for found in entries(member, (*path, step))]


def with_channel(tensor: Tensor, image_shape: tuple[int, ...]) -> Tensor:
    """The tensor; a single score for each pixel (N, H, W) as (N, 1, H, W)."""
    return tensor[:, None] if tensor.ndim == 3 and tensor.shape[1:] == image_shape[-2:] else tensor


def as_rows(tensor: Tensor) -> Tensor:
    """The tensor; one row of scores for each image as (N, classes), also of (N, 1, classes) and (N, classes, 1)."""
    return tensor.flatten(1) if tensor.ndim == 3 and 1 in tensor.shape[1:] else tensor


def describe(output: Any) -> str:
    """What a model returned, in a few words."""
    if isinstance(output, Tensor):
        return f"a tensor of the shape {tuple(output.shape)}"
    if isinstance(output, Mapping):
        return f"{type(output).__name__} with keys {list(output)}"
    inside = members(output) or _attributes(output)
    return f"{type(output).__name__} of {[type(member).__name__ for _, member in inside]}"


def _entry(output: Any, step: int | str) -> Any:
    if isinstance(output, Mapping):
        return output.get(step, output.get(str(step)))
    if isinstance(step, str):
        return getattr(output, step, None)
    return output[step] if isinstance(output, Sequence) and -len(output) <= step < len(output) else None


def _attributes(output: Any) -> list[tuple[int | str, Any]]:
    """What an object of a class of one's own holds; nothing of modules, functions and classes."""
    if isinstance(output, (torch.nn.Module, type)) or callable(output) or not hasattr(output, "__dict__"):
        return []
    kinds = (Tensor, Mapping, list, tuple)
    return [(name, value) for name, value in vars(output).items() if name[0] != "_" and isinstance(value, kinds)]
