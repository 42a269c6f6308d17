"""Which layers to look at: names, globs and the words "auto", "first", "last" and "all" resolved to module names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from torch import Tensor

from lightning_cnnviz.arguments import ArgumentError
from lightning_cnnviz.fields import check_fields
from lightning_cnnviz.model.handing import AS_THEY_ARE, Handing
from lightning_cnnviz.model.layers.frame import Frame
from lightning_cnnviz.model.layers.layer import Head, Layer
from lightning_cnnviz.model.layers.names import (
    KEYWORDS,
    LayerSpec,
    UnknownLayerError,
    check_names,
    clean_name,
    named_layers,
    nearest,
    unknown,
)
from lightning_cnnviz.model.layers.tokens import grid_of
from lightning_cnnviz.model.layers.words import convolutions_by_word, maps_by_word, that_gradients_reach, that_matter
from lightning_cnnviz.model.outputs.readings import Reading

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
        handing: how it is handed the images.
        frame: the part of the image that its maps cover, None for the whole image.
        unframed: layers whose maps cover the whole image nevertheless, as what normalises it before it is cropped.
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
    handing: Handing = AS_THEY_ARE
    frame: Frame | None = None
    unframed: frozenset[str] = frozenset()
    coupled: bool = False
    remarks: tuple[str, ...] = ()
    written_out: str = ""

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def classes(self) -> int:
        """The number of classes or labels; 0 if the model has none."""
        return self.reading.classes

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
        return self._resolve(spec, candidates, self._maps_by_word, "has no spatial output")

    def on_image(self, maps: Tensor, layer: str | None = None) -> Tensor:
        """Maps (N, h, w) of a layer as maps of the whole image, where the model crops or pads its images itself."""
        return maps if self.frame is None or layer in self.unframed else self.frame.on_image(maps)

    def reshaped(self, size: tuple[int, int] | None) -> Layout:
        """This layout with tokens read as maps of the given height and width where they fit; None changes nothing."""
        if size is None:
            return self
        grids = ((layer, grid_of(layer.shape, size) if layer.channels_last else None) for layer in self.layers)
        return replace(
            self,
            layers=tuple(
                layer
                if grid is None or (layer.grid is not None and (layer.grid.height, layer.grid.width) == size)
                else replace(layer, grid=grid)
                for layer, grid in grids
            ),
        )

    def convolutions(self, spec: LayerSpec) -> tuple[str, ...]:
        """Names of the convolutions that ``spec`` means, in order of execution; ``"auto"`` is the first.

        Raises:
            ArgumentError: a name that does not exist or is no convolution.
            ValueError: a keyword, for a model without convolutions.
        """
        candidates = [layer for layer in self.layers if layer.is_convolution]
        return self._resolve(spec, candidates, convolutions_by_word, "is no two-dimensional convolution")

    def _resolve(
        self, spec: LayerSpec, candidates: list[Layer], word: Callable[[str, list[Layer]], list[str]], objection: str
    ) -> tuple[str, ...]:
        entries = (spec,) if isinstance(spec, str) else tuple(spec)
        wanted: set[str] = set()
        for entry in entries:
            if entry in KEYWORDS:
                meant = that_matter(candidates)
                # What runs under no_grad beside the network, as the encoder of keys does, may be called after it.
                found = word(entry, that_gradients_reach(meant) if entry == "last" else meant)
                if not found:
                    raise ValueError(self._nothing(entry))
                wanted.update(found)
            else:
                wanted.update(self._matches(entry, candidates, objection))
        return tuple(layer.name for layer in candidates if layer.name in wanted)

    def _maps_by_word(self, word: str, candidates: list[Layer]) -> list[str]:
        of_places = self.reading.meaning in ("masks", "reconstruction")
        return maps_by_word(word, candidates, self.layers, of_places=of_places)

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


def _advice(layer: Layer) -> str:
    if len(layer.shape) != 2:
        return ""
    return f"if its output {layer.shape} is tokens of an image, say their grid with reshape=(height, width); "
