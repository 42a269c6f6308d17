"""Finding out how a model reads its class scores off its last maps: by global average pooling, if it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lightning_cnnviz.model.layers.layer import Head
from lightning_cnnviz.model.outputs.readings import Ending

_ENDINGS: dict[Ending, Callable[[Tensor], Tensor]] = {
    "logits": lambda logits: logits,
    "log_softmax": lambda logits: logits.log_softmax(dim=1),
    "softmax": lambda logits: logits.softmax(dim=1),
    "sigmoid": lambda logits: logits.sigmoid(),
}
# Matrix products in low precision are off by a percent, another layer by far more.
_TOLERANCE = 0.02


@dataclass(frozen=True)
class _Averaged:
    """A layer's maps averaged over their places, (N, K) each: as they are, and after a ReLU that is no module."""

    averages: tuple[Tensor, Tensor]
    weighted_before: int


@dataclass(frozen=True)
class _Classified:
    """What a linear layer put out, (N, classes)."""

    logits: Tensor
    weighted_before: int


class HeadFinder:
    """Finds the layer whose maps are averaged straight into class scores, whatever it and the pooling are called.

    Not names but numbers tell: the maps of exactly that layer, averaged over their places and weighed by the last
    linear layer, give back what that layer put out. Nothing with weights may come in between: a fresh batch
    normalisation changes no number yet.

    Args:
        modules: those that are watched, by name.
    """

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        self._modules = modules
        self._averaged: dict[str, _Averaged] = {}
        self._classified: dict[str, _Classified] = {}
        self._weighted: list[str] = []
        self._ignored: Set[str] = frozenset()

    def record(self, name: str, output: Tensor) -> None:
        """Notes what may be pooled maps or class scores in a module's output (N, ...)."""
        module = self._modules[name]
        before = len(self._weighted)
        if any(True for _ in module.parameters(recurse=False)):
            self._weighted.append(name)
        if output.ndim == 4 and output.shape[2] * output.shape[3] > 1:
            maps = _wide(output)
            averages = maps.mean(dim=(2, 3)), maps.relu().mean(dim=(2, 3))
            self._averaged.pop(name, None)
            self._averaged[name] = _Averaged(averages, len(self._weighted))
        elif output.ndim > 1 and _weighs_channels(module):
            self._classified.pop(name, None)
            self._classified[name] = _Classified(_wide(output.flatten(1)), before)

    @property
    def last_logits(self) -> Tensor | None:
        """What the last linear layer put out."""
        return next((classified.logits for classified in reversed(self._classified.values())), None)

    def find(self, scores: Tensor, ignored: Set[str] = frozenset()) -> Head | None:
        """The head that gave class scores (N, classes); None if they come about in another way.

        Args:
            scores: those that are explained.
            ignored: layers that they do not depend on.
        """
        self._ignored = ignored
        for name, classified in reversed(self._classified.items()):
            if name not in ignored and _ending(classified.logits, scores):
                return self._weighed_by(name, classified)
        after = self._weights(len(self._weighted))
        return self._last(lambda average: _ending(average, scores) is not None, after, None)

    def outputs(self, scores: Tensor) -> Ending | None:
        """What became of a linear layer's output on its way to these class scores (N, classes); None if more did."""
        endings = (_ending(classified.logits, scores) for classified in reversed(self._classified.values()))
        return next((ending for ending in endings if ending is not None), None)

    def _weighed_by(self, classifier: str, classified: _Classified) -> Head | None:
        module: Any = self._modules[classifier]
        weight = _wide(module.weight.detach()).flatten(1)
        bias = weight.new_zeros(1) if module.bias is None else _wide(module.bias.detach())
        expected = classified.logits - bias
        # In a fresh network the bias may be all there is: what the maps add to it is then lost in rounding.
        rounding = 8 * torch.finfo(module.weight.dtype).eps * float(bias.abs().max())

        def fits(average: Tensor) -> bool:
            return average.shape[1] == weight.shape[1] and _close(average @ weight.T, expected, rounding)

        return self._last(fits, self._weights(classified.weighted_before), classifier)

    def _weights(self, called: int) -> int:
        """How many modules with weights that the scores depend on are among the first so many."""
        return sum(name not in self._ignored for name in self._weighted[:called])

    def _last(self, fits: Callable[[Tensor], bool], weighted_before: int, classifier: str | None) -> Head | None:
        for name, layer in reversed(self._averaged.items()):
            if name in self._ignored or self._weights(layer.weighted_before) != weighted_before:
                continue
            for rectified, average in enumerate(layer.averages):
                if fits(average):
                    return Head(name, bool(rectified), classifier)
        return None


def _weighs_channels(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1))


def _ending(logits: Tensor, scores: Tensor) -> Ending | None:
    """What makes the scores of the logits, None if nothing does that a model may end with."""
    scores = _wide(scores)
    if logits.ndim == 2 and logits.shape[1] == 1 and scores.shape[1] == 2:
        scores = scores[:, 1:]  # a single score, that of class 1
    if logits.shape != scores.shape:
        return None
    return next((ending for ending, apply in _ENDINGS.items() if _close(apply(logits), scores)), None)


def _close(found: Tensor, expected: Tensor, rounding: float = 0.0) -> bool:
    if found.shape != expected.shape:  # several views of each image, for example
        return False
    return bool((found - expected).abs().max() <= _TOLERANCE * expected.abs().max() + rounding)


def _wide(tensor: Tensor) -> Tensor:
    return tensor if tensor.element_size() >= 4 else tensor.float()
