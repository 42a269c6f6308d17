"""The layers of a model, found by watching forward passes that differ in one edge of one image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from lightning_cnnviz.model.layers.layer import Layer
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.model.layers.names import has_kernel, is_convolution, kernel_of, written_out
from lightning_cnnviz.model.layers.tokens import TokenGrid, find_grid
from lightning_cnnviz.model.layers.words import ATTENTION
from lightning_cnnviz.model.outputs.graph import Graph
from lightning_cnnviz.model.outputs.readings import Ending, Reading
from lightning_cnnviz.model.survey.calls import calls_of
from lightning_cnnviz.model.survey.disturbance import EDGE
from lightning_cnnviz.model.survey.placing import Called, Placing
from lightning_cnnviz.model.survey.watching import Watch


class WatchedLayers(Watch):
    """The layers of a model, made of the calls that were noted."""

    @property
    def last_logits(self) -> Tensor | None:
        """What the last linear layer put out."""
        return self._heads.last_logits

    def ending(self, scores: Tensor) -> Ending | None:
        """What was done to a linear layer's output to make scores of it."""
        rows = scores[:, None] if scores.ndim == 1 else scores
        return self._heads.outputs(rows.detach()) if rows.ndim == 2 else None

    def layout(self, model: nn.Module, reading: Reading, output: Tensor | None, coupled: bool) -> Layout:
        """The layers and what is known of them.

        Args:
            model: it.
            reading: how the output is read.
            output: the tensor explained.
            coupled: whether it depends on the other samples beside one.
        """
        nodes = [call.node for watched in self._watched.values() for call in watched.calls if call.node is not None]
        graph = Graph(output, self._images, nodes)
        layers = self._without_hidden_tokens(self._arranged(self._judged(graph)), output)
        layers = _with_output(layers, self._modules) if reading.meaning in ("masks", "reconstruction") else layers
        parameters = list(model.parameters())
        head = None
        if output is not None and reading.classes:
            scores = output.flatten(2).mean(2) if reading.meaning == "masks" else output
            single = Reading("classes", reading.ending, single=reading.single)
            maps_matter = any(layer.matters and layer.spatial for layer in layers)  # else all are detached
            ignored = {layer.name for layer in layers if layer.matters is False and maps_matter}
            head = self._heads.find(single.scores(scores.detach()), ignored)
        return Layout(
            self._counted(layers),
            reading,
            uncalled=tuple(name for name in self._modules if name not in self._watched and name not in self._unusable),
            unusable={name: why for name, why in self._unusable.items() if name not in self._watched},
            parameters=_count(parameters),
            trainable=_count(parameters, trainable=True),
            head=head,
            coupled=coupled,
            written_out=written_out(model),
        )

    def undecided(self, output: Tensor) -> dict[str, nn.Module]:
        """Modules whose maps may matter though the graph does not hold them, as under ``no_grad``."""
        graph = Graph(output, self._images, [])
        in_graph = any(graph.matters(call.node) for watched in self._watched.values() for call in watched.calls)
        if not in_graph:
            return {}
        return {
            name: self._modules[name]
            for name, watched in self._watched.items()
            if all(call.node is None and call.tensor.ndim >= 3 for call in watched.calls)
        }

    def dismiss(self, names: Mapping[str, nn.Module]) -> None:
        """Notes that the score does not depend on some modules."""
        for name in names:
            for call in self._watched[name].calls:
                call.dismissed = True

    def _judged(self, graph: Graph) -> tuple[Layer, ...]:
        weighted = {name for name in self._watched if self._has_weights(name)}
        begun = sorted((self._watched[name] for name in weighted), key=lambda watched: watched.began)
        placing = Placing([watched.calls for watched in begun], len(self._images))
        judged: list[tuple[int, Layer]] = []
        for name, watched in self._watched.items():
            module, last = self._modules[name], watched.calls[-1]
            verdict = calls_of(name, watched.calls, graph, placing, name in weighted)
            kernel = kernel_of(module) if is_convolution(module) else None
            is_conv = kernel is not None and last.tensor.ndim == 4 and last.tensor.shape[1] in kernel.shape[:2]
            layer = Layer(
                name,
                type(module).__name__,
                verdict.shape,
                is_convolution=is_conv or (isinstance(module, nn.Conv2d) and last.tensor.ndim == 4),
                repeats_child=watched.repeats_child,
                calls=verdict.calls,
                matters=verdict.matters,
                constant=verdict.constant,
                unusable=verdict.unusable,
                started=watched.began,
            )
            judged.append((watched.calls[_last_that_matters(watched.calls, graph)].finished, layer))
        # A later call may be of a branch that the score does not depend on.
        return tuple(layer for _, layer in sorted(judged, key=lambda pair: pair[0]))

    def _arranged(self, layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
        """The layers with what is known of channels that come last.

        A linear layer puts channels last, a convolution first. Of other modules, such as a GELU or a whole block, the
        shape tells: it is that of the one or the other.
        """
        convolutions = [layer for layer in layers if layer.is_convolution]
        map_sizes = {layer.spatial: None for layer in convolutions if layer.spatial}
        channels_last = self._channels_last - {layer.shape for layer in convolutions}
        height, width = self._images.shape[-2:]
        grids = {
            shape: self._starting(find_grid(shape, (height, width), filter(None, map_sizes))) for shape in channels_last
        }
        return tuple(
            replace(layer, channels_last=True, grid=grids[layer.shape]) if layer.shape in grids else layer
            for layer in layers
        )

    def _starting(self, grid: TokenGrid | None) -> TokenGrid | None:
        """The grid with a class token where it is, told by the first layer that is given such tokens."""
        if grid is None or not grid.prefix:
            return grid
        count = grid.prefix + grid.height * grid.width
        for watched in sorted(self._watched.values(), key=lambda watched: watched.began):
            call = watched.calls[0]
            after = call.taken_disturbed[0] if call.taken_disturbed else None
            if call.taken is not None and call.taken.ndim == 3 and call.taken.shape[1] == count and after is not None:
                return grid.starting(call.taken, after, EDGE) if after.shape == call.taken.shape else grid
        return grid

    def _without_hidden_tokens(self, layers: tuple[Layer, ...], output: Tensor | None) -> tuple[Layer, ...]:
        """Layers whose places a class token hides no longer matter: their gradient is zero but for the token."""
        tokens = [layer for layer in layers if layer.grid is not None and layer.grid.others and layer.matters]
        if not tokens or output is None:
            return layers
        kept = [self._watched[layer.name].calls[-1].tensor for layer in tokens]
        weights = torch.linspace(0.5, 1.5, output.numel(), device=output.device, dtype=output.dtype)
        try:
            gradients = torch.autograd.grad(
                (output.flatten() * weights).sum(), kept, allow_unused=True, retain_graph=False
            )
        except RuntimeError:
            return self._before_last_attention(layers)
        grids = [layer.grid for layer in tokens]
        hidden = {
            layer.name: gradient is not None and grid is not None and not bool(grid.places(gradient).any())
            for layer, gradient, grid in zip(tokens, gradients, grids, strict=True)
        }
        if all(gradient is None or not bool(gradient.any()) for gradient in gradients):  # a head that starts at zero
            return self._before_last_attention(layers)
        return tuple(replace(layer, matters=False) if hidden.get(layer.name) else layer for layer in layers)

    def _before_last_attention(self, layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
        attentions = [layer.name for layer in layers if any(word in layer.kind.lower() for word in ATTENTION)]
        if not attentions:
            return layers
        names = [layer.name for layer in layers]
        start = next(i for i, name in enumerate(names) if f"{name}.".startswith(f"{attentions[-1]}."))
        return tuple(
            replace(layer, matters=False) if index >= start and layer.grid is not None else layer
            for index, layer in enumerate(layers)
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
            if len(kernel) > 1 and not has_kernel(module):  # that of a module inside it
                kernel = ()
            trainable = _count(own, trainable=True)
            result.append(replace(layer, kernel=kernel, parameters=_count(own), trainable=trainable))
        return tuple(result)


def _last_that_matters(calls: Sequence[Called], graph: Graph) -> int:
    """The last call on which the score depends, as far as that can be told."""
    matter = [number for number, call in enumerate(calls) if graph.matters(call.node)]
    return matter[-1] if matter else len(calls) - 1


def _with_output(layers: tuple[Layer, ...], modules: Mapping[str, nn.Module]) -> tuple[Layer, ...]:
    """The layers with a mark on those behind which nothing has weights any more."""
    weighted = [
        index
        for index, layer in enumerate(layers)
        if layer.matters is not False and any(True for _ in modules[layer.name].parameters(recurse=False))
    ]
    if not weighted:
        return layers
    return tuple(replace(layer, is_output=index >= weighted[-1]) for index, layer in enumerate(layers))


def _count(parameters: list[nn.Parameter], *, trainable: bool = False) -> int:
    return sum(parameter.numel() for parameter in parameters if parameter.requires_grad or not trainable)
