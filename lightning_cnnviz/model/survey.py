"""The layers of a model, found by watching one forward pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from lightning_cnnviz.model.heads import HeadFinder
from lightning_cnnviz.model.hooks import image_like
from lightning_cnnviz.model.layers import CONVOLUTIONS, Layer, Layout
from lightning_cnnviz.model.tokens import find_grid, has_channels_last


class Survey:
    """Notes each call of a module in the order in which they finish; the last call of a module counts.

    Args:
        modules: what is watched, by name.
        images: (N, C, H, W) what the model is called with.
    """

    def __init__(self, modules: Mapping[str, nn.Module], images: Tensor) -> None:
        self._modules = modules
        self._images = images
        self._layers: dict[str, Layer] = {}
        self._channels_last: set[tuple[int, ...]] = set()
        self._previous: tuple[str, Tensor] | None = None
        self._heads = HeadFinder(modules)

    def record(self, name: str, output: Any) -> None:
        """Notes one call of a module."""
        tensor = image_like(output)
        if tensor is None:
            return
        repeats = (
            self._previous is not None and self._previous[0].startswith(f"{name}.") and self._previous[1] is tensor
        )
        self._previous = (name, tensor)
        self._heads.record(name, tensor)
        module = self._modules[name]
        # Windows of the images, side by side in the batch, are no output of one sample.
        shape = tuple(tensor.shape[1:]) if tensor.shape[:1] == self._images.shape[:1] else ()
        if has_channels_last(module, shape):
            self._channels_last.add(shape)
        self._layers.pop(name, None)
        self._layers[name] = Layer(name, type(module).__name__, shape, isinstance(module, CONVOLUTIONS), repeats)

    def layout(self, scores: Tensor, model: nn.Module) -> Layout:
        """What was noted of the model, which gave these class scores (N, classes)."""
        parameters = list(model.parameters())
        return Layout(
            self._counted(self._arranged(tuple(self._layers.values()))),
            scores.shape[1],
            uncalled=tuple(name for name in self._modules if name not in self._layers),
            parameters=_count(parameters),
            trainable=_count(parameters, trainable=True),
            head=self._heads.find(scores),
            outputs=self._heads.outputs(scores),
        )

    def _arranged(self, layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
        """The layers with what is known of channels that come last.

        A linear layer puts channels last, a convolution first. Of other modules, such as a GELU or a whole block, the
        shape tells: it is that of the one or the other.
        """
        convolutions = [layer for layer in layers if layer.is_convolution]
        map_sizes = {layer.spatial for layer in convolutions if layer.spatial}
        channels_last = self._channels_last - {layer.shape for layer in convolutions}
        height, width = self._images.shape[-2:]
        grids = {shape: find_grid(shape, (height, width), map_sizes) for shape in channels_last}
        return tuple(
            replace(layer, channels_last=True, grid=grids[layer.shape]) if layer.shape in grids else layer
            for layer in layers
        )

    def _counted(self, layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
        """The layers with their parameters; one that several layers share is the first one's."""
        counted: set[nn.Parameter] = set()
        result = []
        for layer in layers:
            module = self._modules[layer.name]
            own = [parameter for parameter in module.parameters(recurse=False) if parameter not in counted]
            counted.update(own)
            weight = getattr(module, "weight", None)
            kernel = tuple(weight.shape) if isinstance(weight, Tensor) else ()
            trainable = _count(own, trainable=True)
            result.append(replace(layer, kernel=kernel, parameters=_count(own), trainable=trainable))
        return tuple(result)


def _count(parameters: list[nn.Parameter], *, trainable: bool = False) -> int:
    return sum(parameter.numel() for parameter in parameters if parameter.requires_grad or not trainable)
