"""Calls of a model besides the shared pass: up to one of its layers, and with its multiplications counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lightning_cnnviz.model.hooks import Reached, hooked, image_like
from lightning_cnnviz.model.layers.names import clean_name, named_layers


def output_of(
    layer: str, model: nn.Module, entry: Callable[[Tensor], Any], images: Tensor, *, one_by_one: bool = False
) -> Tensor:
    """The output of a layer's first call; what would follow is not computed.

    Args:
        layer: the layer's name in ``model``.
        model: the model with the layer.
        entry: what to call with the images.
        images: (N, C, H, W)
        one_by_one: whether each call is for one image: then the output for all of them.

    Raises:
        ValueError: the forward pass did not call the layer, or it put out no tensor.
    """
    found: list[Tensor] = []

    def end(name: str, output: Any) -> None:
        tensor = image_like(output)
        if tensor is None:
            return
        found.append(tensor)
        if len(found) == (len(images) if one_by_one else 1):
            raise Reached

    try:
        with hooked({layer: named_layers(model)[layer]}, end):
            entry(images)
    except Reached:
        return torch.cat(found)
    raise ValueError(f"{layer} was not called, or put out no tensor")


def multiply_adds(model: nn.Module, entry: Callable[[Tensor], Any], images: Tensor) -> dict[str, int]:
    """Multiply-adds for one image by layer, those of the layers inside it included; "" is the whole model.

    Counted are convolutions, matrix products and attention, whichever module or function makes them; element-wise work
    is not.
    """
    from torch.utils.flop_counter import FlopCounterMode  # noqa: PLC0415 - half a second, for a view that few ask for

    prefix = next((clean_name(name) for name, module in model.named_modules() if module is entry), "")
    # With gradients: without them torch fuses attention into a kernel that its counter does not know.
    with FlopCounterMode(display=False) as counter, torch.enable_grad():
        entry(images)
    found = {"": counter.get_total_flops() // (2 * len(images))}
    for path, operations in counter.get_flop_counts().items():
        name = clean_name(".".join(part for part in (prefix, path.partition(".")[2]) if part))
        if name:
            found[name] = sum(operations.values()) // (2 * len(images))
    return found
