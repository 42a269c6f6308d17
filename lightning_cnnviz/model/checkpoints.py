"""A model with the weights of a checkpoint, beside the model itself."""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from lightning_cnnviz.model.layers.names import clean_name, nearest

_NOT_CHECKPOINTS = (OSError, RuntimeError, EOFError, pickle.UnpicklingError)


def with_weights(model: nn.Module, checkpoint: str | os.PathLike[str]) -> nn.Module:
    """A copy of a model that has the weights of a checkpoint; the model itself is not touched.

    Raises:
        ValueError: the file is no checkpoint, or not of this model.
    """
    weights = read_weights(checkpoint)
    check_weights(model, weights, checkpoint)
    other = copy.deepcopy(model)  # a LightningModule leaves its Trainer out
    other.load_state_dict({name: weights[clean_name(name)] for name in other.state_dict()})
    return other


def read_weights(checkpoint: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The tensors of a Lightning checkpoint or a saved ``state_dict`` under their clean names, on the CPU.

    Raises:
        ValueError: the file cannot be read, or holds anything but tensors and primitives.
    """
    try:
        content = torch.load(Path(checkpoint), map_location="cpu", weights_only=True)
    except _NOT_CHECKPOINTS as error:
        raise ValueError(f"checkpoint {os.fspath(checkpoint)!r} cannot be read: {error}") from error
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"checkpoint {os.fspath(checkpoint)!r} must hold a state_dict, got {type(content).__name__}")
    return {clean_name(name): value for name, value in state.items()}


def check_weights(model: nn.Module, weights: Mapping[str, Tensor], checkpoint: str | os.PathLike[str]) -> None:
    """Checks that weights have a tensor of the right shape for each one that the model keeps.

    Raises:
        ValueError: one is missing or has another shape.
    """
    for name, tensor in model.state_dict().items():
        found = weights.get(clean_name(name))
        if found is None:
            near = nearest(clean_name(name), weights)
            raise ValueError(f"checkpoint {os.fspath(checkpoint)!r} has no {clean_name(name)!r}; {near}")
        if isinstance(tensor, Tensor) and found.shape != tensor.shape:
            raise ValueError(
                f"checkpoint {os.fspath(checkpoint)!r}: {clean_name(name)!r} must have the shape "
                f"{tuple(tensor.shape)}, got {tuple(found.shape)}"
            )
