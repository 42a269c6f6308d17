"""Which layers to look at: names, globs and the words "auto", "first", "last" and "all" resolved to module names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TypeAlias

from torch import Tensor, nn

from lightning_cnnviz.model.targets import Outputs
from lightning_cnnviz.model.tokens import TokenGrid, grid_of

LayerSpec: TypeAlias = str | Sequence[str]
"""A layer's name, a glob such as ``"layer?.0.conv1"``, ``"auto"``, ``"first"``, ``"last"``, ``"all"``, or a sequence of
those."""

KEYWORDS = ("auto", "first", "last", "all")
CONVOLUTIONS = (nn.Conv2d,)
_ATTENTION = ("attention", "attn")


class ArgumentError(ValueError):
    """An argument that somebody gave names what this model does not have, or does not fit it.

    The one kind of error that may end a run, before its first step. What follows from a default is a ValueError.
    """


def clean_name(name: str) -> str:
    """The name of a module as the user wrote it, without what ``torch.compile`` puts in between.

    >>> clean_name("model._orig_mod.layer4")
    'model.layer4'
    """
    return ".".join(part for part in name.split(".") if part != "_orig_mod")


def named_layers(model: nn.Module) -> dict[str, nn.Module]:
    """All modules below the model under their clean names."""
    return {clean_name(name): module for name, module in model.named_modules() if clean_name(name)}


class UnknownLayerError(ValueError, KeyError):
    """A name that no layer has; the message lists the nearest names."""

    __str__ = ValueError.__str__


@dataclass(frozen=True, slots=True)
class Layer:
    """A module as one forward pass saw it.

    Attributes:
        name: as in ``model.named_modules()``, without ``_orig_mod.``.
        kind: the module's class name.
        shape: of its output for one sample, for example (64, 56, 56); of the last call if it was called several times;
            () if the output is not one for each sample.
        is_convolution: whether it is a two-dimensional convolution.
        repeats_child: whether it hands on the very output of a module inside it, as ``nn.Sequential`` does.
        channels_last: whether the output is (height, width, channels) or (tokens, channels), as in transformers.
        grid: where the places of the image are in an output with channels last, None if it can't be told.
        kernel: the shape of its weight, () if it has none.
        parameters: the number of its own parameters, without those of modules inside it.
        trainable: how many of them are trained.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    is_convolution: bool = False
    repeats_child: bool = False
    channels_last: bool = False
    grid: TokenGrid | None = None
    kernel: tuple[int, ...] = ()
    parameters: int = 0
    trainable: int = 0

    @property
    def spatial(self) -> tuple[int, int] | None:
        """Height and width of the output as maps, None if it is none: no places of the image, or one pixel only."""
        if self.grid is not None:
            return self.grid.height, self.grid.width
        if self.channels_last or len(self.shape) != 3 or self.shape[1] * self.shape[2] <= 1:
            return None
        return self.shape[1], self.shape[2]

    @property
    def channels(self) -> int:
        """How many channels the output has as maps."""
        return self.shape[-1] if self.grid is not None else self.shape[0]

    def as_maps(self, output: Tensor) -> Tensor:
        """The layer's output, or a gradient of its shape, as (N, channels, height, width)."""
        return output if self.grid is None else self.grid.as_maps(output)


@dataclass(frozen=True, slots=True)
class Head:
    """How a model reads its class scores off the maps of one layer: averaged over their places.

    Attributes:
        layer: the layer whose maps are averaged.
        rectified: whether a ReLU that is no module comes between the layer and the average.
        classifier: the linear layer that weighs the averages; None if the maps are those of the classes.
    """

    layer: str
    rectified: bool = False
    classifier: str | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """The layers of a model in the order in which one forward pass finished them.

    Attributes:
        layers: as they finished, so a block comes after the modules inside it.
        classes: the number of class scores.
        uncalled: layers that exist but that the forward pass did not call.
        parameters: the number of the model's parameters, wherever they are.
        trainable: how many of them are trained.
        head: how class scores are read off the last maps, None if in any other way than by averaging them.
        outputs: what the model returns for its classes.
    """

    layers: tuple[Layer, ...]
    classes: int
    uncalled: tuple[str, ...] = ()
    parameters: int = 0
    trainable: int = 0
    head: Head | None = None
    outputs: Outputs = "logits"

    def __getitem__(self, name: str) -> Layer:
        """The layer of this name.

        Raises:
            UnknownLayerError: the forward pass called none.
        """
        return self.layers[self.position(name)]

    def position(self, name: str) -> int:
        """Where a layer comes in the order of execution.

        Raises:
            UnknownLayerError: the forward pass called none of this name.
        """
        names = [layer.name for layer in self.layers]
        if name not in names:
            raise UnknownLayerError(f"the forward pass called no layer {name!r}; {nearest(name, names)}")
        return names.index(name)

    def maps(self, spec: LayerSpec) -> tuple[str, ...]:
        """Names of the layers with a spatial output that ``spec`` means, in order of execution.

        ``"first"`` is the first convolution; ``"last"`` the last layer of the spatial size of the last convolution or
        transformer block; ``"auto"`` the last layer at each spatial size that one of those puts out; ``"all"`` every
        layer with a map. Where a class token is read, ``"last"`` and ``"auto"`` end at the input of the last attention:
        nothing that the score depends on comes of the other tokens after it.

        Raises:
            ArgumentError: a name that does not exist or has no map.
            ValueError: a keyword, for a model without a spatial convolution.
        """
        candidates = [layer for layer in self.layers if layer.spatial]
        return self._resolve(spec, candidates, "has no spatial output")

    def reshaped(self, size: tuple[int, int] | None) -> Layout:
        """This layout with tokens read as maps of the given height and width where they fit; None changes nothing."""
        if size is None:
            return self
        grids = ((layer, grid_of(layer.shape, size)) for layer in self.layers)
        return replace(
            self, layers=tuple(layer if grid is None else replace(layer, grid=grid) for layer, grid in grids)
        )

    def convolutions(self, spec: LayerSpec) -> tuple[str, ...]:
        """Names of the convolutions that ``spec`` means, in order of execution; ``"auto"`` is the first.

        Raises:
            ArgumentError: a name that does not exist or is no convolution.
            ValueError: a keyword, for a model without convolutions.
        """
        candidates = [layer for layer in self.layers if layer.is_convolution]
        return self._resolve(spec, candidates, "is no two-dimensional convolution")

    def _resolve(self, spec: LayerSpec, candidates: list[Layer], objection: str) -> tuple[str, ...]:
        entries = (spec,) if isinstance(spec, str) else tuple(spec)
        wanted: set[str] = set()
        for entry in entries:
            if entry in KEYWORDS:
                wanted.update(self._keyword(entry, candidates))
            else:
                wanted.update(self._matches(entry, candidates, objection))
        return tuple(layer.name for layer in candidates if layer.name in wanted)

    def _keyword(self, word: str, candidates: list[Layer]) -> list[str]:
        convolutions = [layer for layer in candidates if layer.is_convolution]
        if not convolutions:
            raise ValueError(
                f"layers={word!r} needs a two-dimensional convolution whose output is larger than one pixel; "
                f"there is none among {len(self.layers)} layers. Name the layers, or use views that need none."
            )
        if word == "first":
            return [convolutions[0].name]
        if word == "all":
            return [layer.name for layer in candidates if not layer.repeats_child]
        if all(layer.is_convolution for layer in candidates):
            return [convolutions[0 if word == "auto" else -1].name]
        candidates = self._before_last_attention(candidates)
        last_of_size = {layer.spatial: layer.name for layer in candidates}
        sizes = [layer.spatial for layer in candidates if layer.is_convolution or layer.grid is not None]
        return [last_of_size[size] for size in (sizes[-1:] if word == "last" else sizes)]

    def _before_last_attention(self, candidates: list[Layer]) -> list[Layer]:
        """The candidates on which the score depends, if it is read from a class token; else all of them."""
        attentions = [layer.name for layer in self.layers if any(word in layer.kind.lower() for word in _ATTENTION)]
        if not attentions or not any(layer.grid is not None and layer.grid.prefix for layer in candidates):
            return candidates
        names = [layer.name for layer in self.layers]
        start = next(i for i, name in enumerate(names) if f"{name}.".startswith(f"{attentions[-1]}."))
        before = set(names[:start])
        return [layer for layer in candidates if layer.name in before]

    def _matches(self, pattern: str, candidates: list[Layer], objection: str) -> list[str]:
        pattern = clean_name(pattern)
        found = [layer.name for layer in candidates if fnmatchcase(layer.name, pattern)]
        if found:
            return found
        if any(layer.name == pattern for layer in self.layers):
            usable = nearest(pattern, (layer.name for layer in candidates))
            raise ArgumentError(f"layers={pattern!r}: this layer {objection}; {_advice(self[pattern])}{usable}")
        if pattern in self.uncalled:
            raise ArgumentError(f"layers={pattern!r}: the forward pass does not call this layer")
        raise ArgumentError(unknown(pattern, (layer.name for layer in candidates)))


def _advice(layer: Layer) -> str:
    if len(layer.shape) != 2:
        return ""
    return f"if its output {layer.shape} is tokens of an image, say their grid with reshape=(height, width); "


def check_names(model: nn.Module, spec: LayerSpec) -> None:
    """Checks before any forward pass that each name or glob of ``spec`` matches a module of the model.

    Raises:
        TypeError: ``spec`` is neither a string nor a sequence of strings.
        ArgumentError: nothing matches a name; the message lists the nearest ones.
        ValueError: a keyword, for a model without convolutions.
    """
    entries = (spec,) if isinstance(spec, str) else tuple(spec)
    names = named_layers(model)
    for entry in entries:
        if not isinstance(entry, str):
            raise TypeError(f"layers takes names, globs or one of {KEYWORDS}, got {entry!r}")
        if entry in KEYWORDS and not any(isinstance(module, CONVOLUTIONS) for module in names.values()):
            raise ValueError(
                f"layers={entry!r} needs a model with a two-dimensional convolution, {type(model).__name__} has none"
            )
        if entry not in KEYWORDS and not any(fnmatchcase(name, clean_name(entry)) for name in names):
            raise ArgumentError(unknown(entry, names))


def unknown(name: str, names: Iterable[str]) -> str:
    """The message for a layer that does not exist."""
    return f"layers={name!r}: the model has no such layer; {nearest(name, names)}"


def nearest(name: str, names: Iterable[str]) -> str:
    """Names to suggest instead of one that does not serve."""
    names = list(names)
    close = difflib.get_close_matches(name, names, n=5, cutoff=0.5) or names[:5]
    return f"nearest: {', '.join(close)}" if close else "there are none to choose from"
