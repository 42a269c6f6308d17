"""Which layers to look at: names, globs and the words "auto", "first", "last" and "all" resolved to module names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from lightning_cnnviz.fields import check_fields
from lightning_cnnviz.model.layer import Head, Layer
from lightning_cnnviz.model.names import (
    KEYWORDS,
    ArgumentError,
    LayerSpec,
    UnknownLayerError,
    check_names,
    clean_name,
    named_layers,
    nearest,
    unknown,
)
from lightning_cnnviz.model.readings import Ending, Reading
from lightning_cnnviz.model.tokens import grid_of

__all__ = [
    "KEYWORDS",
    "ArgumentError",
    "Head",
    "Layer",
    "LayerSpec",
    "Layout",
    "UnknownLayerError",
    "check_names",
    "clean_name",
    "named_layers",
    "nearest",
    "unknown",
]

ATTENTION = ("attention", "attn")
"""What the classes of attention modules have in their names."""

_FOLDED = 1.5  # a step that makes maps as much taller and narrower is no pooling


@dataclass(frozen=True, slots=True)
class Layout:
    """The layers of a model in the order in which one forward pass finished them.

    Attributes:
        layers: as they finished, so a block comes after the modules inside it.
        reading: how the model's output is read.
        uncalled: layers that exist but that the forward pass did not call.
        unusable: layers that were called but put out nothing that could be looked at, and why.
        parameters: the number of the model's parameters, wherever they are.
        trainable: how many of them are trained.
        head: how class scores are read off the last maps, None if in any other way than by averaging them.
        entry: the module that is called with the images, "" for the model itself.
        coupled: whether the score of one sample depends on the others beside it.
        remarks: what the reader should know of how the model was called and read.
        written_out: why layers cannot be watched, if they cannot.
    """

    layers: tuple[Layer, ...]
    reading: Reading = field(default_factory=Reading)
    uncalled: tuple[str, ...] = ()
    unusable: Mapping[str, str] = field(default_factory=dict)
    parameters: int = 0
    trainable: int = 0
    head: Head | None = None
    entry: str = ""
    coupled: bool = False
    remarks: tuple[str, ...] = ()
    written_out: str = ""

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def classes(self) -> int:
        """The number of classes or labels; 0 if the model has none."""
        return self.reading.classes

    @property
    def outputs(self) -> Ending:
        """What the model does last to its scores."""
        return self.reading.ending

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

    def remarks_on(self, names: Set[str]) -> tuple[str, ...]:
        """What the reader of maps of some layers should know."""
        found = (layer.calls.remark for layer in self.layers if layer.name in names)
        return tuple(remark for remark in found if remark)

    def maps(self, spec: LayerSpec) -> tuple[str, ...]:
        """Names of the layers with a spatial output that ``spec`` means, in order of execution.

        ``"first"`` is the first convolution; ``"last"`` the last layer of the spatial size of the last convolution or
        transformer block; ``"auto"`` the last layer at each spatial size that one of those puts out; ``"all"`` every
        layer with a map. Words mean layers that the score explained depends on. Where the output is one of places,
        ``"last"`` is the last layer at the smallest size, behind which scores are spread over the places again.

        Raises:
            ArgumentError: a name that does not exist or has no map.
            ValueError: a keyword, for a model without a spatial convolution.
        """
        candidates = [layer for layer in self.layers if layer.spatial]
        return self._resolve(spec, candidates, self._word, "has no spatial output")

    def reshaped(self, size: tuple[int, int] | None) -> Layout:
        """This layout with tokens read as maps of the given height and width where they fit; None changes nothing."""
        if size is None:
            return self
        grids = ((layer, grid_of(layer.shape, size) if layer.channels_last else None) for layer in self.layers)
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
        return self._resolve(spec, candidates, self._word_of_convolutions, "is no two-dimensional convolution")

    def _resolve(
        self, spec: LayerSpec, candidates: list[Layer], word: Callable[[str, list[Layer]], list[str]], objection: str
    ) -> tuple[str, ...]:
        entries = (spec,) if isinstance(spec, str) else tuple(spec)
        wanted: set[str] = set()
        for entry in entries:
            if entry in KEYWORDS:
                wanted.update(word(entry, _that_matter(candidates)))
            else:
                wanted.update(self._matches(entry, candidates, objection))
        return tuple(layer.name for layer in candidates if layer.name in wanted)

    def _word_of_convolutions(self, word: str, candidates: list[Layer]) -> list[str]:
        if not candidates:
            raise ValueError(self._nothing(word))
        names = [layer.name for layer in candidates]
        return names if word == "all" else names[-1:] if word == "last" else [_first(candidates).name]

    def _word(self, word: str, candidates: list[Layer]) -> list[str]:
        convolutions = [layer for layer in candidates if layer.is_convolution]
        anchors = [layer for layer in candidates if layer.is_convolution or layer.grid is not None]
        if not anchors or (not convolutions and word == "first"):
            raise ValueError(self._nothing(word))
        if word == "first":
            return [_first(convolutions).name]
        if word == "all":
            return [layer.name for layer in candidates if not layer.repeats_child]
        if word == "last" and self.reading.meaning in ("masks", "reconstruction"):
            inner = [layer for layer in anchors if not layer.is_output] or anchors
            smallest = min((layer.spatial or (0, 0) for layer in inner), key=lambda size: size[0] * size[1])
            return [layer.name for layer in candidates if layer.spatial == smallest and not layer.is_output][-1:] or [
                inner[-1].name
            ]
        inside, outside = self._attention(candidates)
        last_of_size = {layer.spatial: layer.name for layer in [*inside, *outside]}
        sizes = _sizes(anchors)
        return [last_of_size[size] for size in (sizes[-1:] if word == "last" else sizes)]

    def _attention(self, candidates: list[Layer]) -> tuple[list[Layer], list[Layer]]:
        """Layers that are parts of an attention module, and the others.

        Queries, values and the weights of attention are no maps that a block hands on; convolutions among them are.
        """
        modules = tuple(f"{layer.name}." for layer in self.layers if any(w in layer.kind.lower() for w in ATTENTION))
        parts = {layer.name for layer in candidates if layer.name.startswith(modules) and not layer.is_convolution}
        inside = [layer for layer in candidates if layer.name in parts]
        return inside, [layer for layer in candidates if layer.name not in parts]

    def _nothing(self, word: str) -> str:
        unusable = next((layer for layer in self.layers if layer.unusable), None)
        if unusable is not None:
            return (
                f"layers={word!r} finds no layer whose output is one map for each sample: {unusable.name} "
                f"{unusable.unusable}"
            )
        if self.written_out:
            return f"layers={word!r} finds no layers{self.written_out}"
        if self.unusable:
            name, reason = next(iter(self.unusable.items()))
            return f"layers={word!r} finds no layer whose output is maps of real numbers: {name} {reason}"
        return (
            f"layers={word!r} needs a two-dimensional convolution whose output is larger than one pixel; "
            f"there is none among {len(self.layers)} layers. Name the layers, or use views that need none."
        )

    def _matches(self, pattern: str, candidates: list[Layer], objection: str) -> list[str]:
        pattern = clean_name(pattern)
        found = [layer.name for layer in candidates if fnmatchcase(layer.name, pattern)]
        if found:
            return found
        known = next((layer for layer in self.layers if layer.name == pattern), None)
        if known is not None and known.unusable:
            raise ArgumentError(f"layers={pattern!r} cannot be drawn: it {known.unusable}")
        if known is not None:
            usable = nearest(pattern, (layer.name for layer in candidates))
            raise ArgumentError(f"layers={pattern!r}: this layer {objection}; {_advice(self[pattern])}{usable}")
        if pattern in self.unusable:
            raise ArgumentError(f"layers={pattern!r} cannot be looked at: it {self.unusable[pattern]}")
        if pattern in self.uncalled:
            raise ArgumentError(f"layers={pattern!r}: the forward pass does not call this layer{self.written_out}")
        raise ArgumentError(unknown(pattern, (layer.name for layer in candidates)))


def _that_matter(candidates: list[Layer]) -> list[Layer]:
    """The layers on which the score explained depends, as far as that can be told."""
    varying = [layer for layer in candidates if not layer.constant]
    return [layer for layer in varying if layer.matters is not False] or varying


def _sizes(anchors: list[Layer]) -> list[tuple[int, int] | None]:
    """The sizes of maps, one after the other, without those that come of folding places into rows of patches."""
    kept: list[tuple[int, int] | None] = []
    for height, width in (layer.spatial or (0, 0) for layer in anchors):
        if kept and kept[-1] is not None:
            taller, wider = height / kept[-1][0], width / kept[-1][1]
            if (taller > _FOLDED and wider < 1 / _FOLDED) or (wider > _FOLDED and taller < 1 / _FOLDED):
                continue
        kept.append((height, width))
    return kept


def _first(candidates: list[Layer]) -> Layer:
    """The layer that was called first, however often it is called after that."""
    return min(candidates, key=lambda layer: layer.started)


def _advice(layer: Layer) -> str:
    if len(layer.shape) != 2:
        return ""
    return f"if its output {layer.shape} is tokens of an image, say their grid with reshape=(height, width); "
