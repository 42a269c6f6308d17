"""What a look at drift covers: which layers, maps and samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from lightning_cnnviz.model.layers.layout import KEYWORDS, Layer, LayerSpec, Layout
from lightning_cnnviz.model.layers.names import evenly_chosen

MapKind: TypeAlias = Literal["grad_cam", "hirescam", "saliency"]

MOST_SAMPLES = 256
"""Enough for numbers that scatter by less than a tenth; the state of a run grows with their square."""

DEFAULT_SAMPLES = 32
"""So many are taken from the batches."""

_MOST_FILTERS = 16


@dataclass(frozen=True)
class Scope:
    """What a snapshot is taken of.

    Attributes:
        features: layers whose activations are compared.
        filters: convolutions and linear layers whose weights are compared.
        attention: layers for whose output class activation maps are compared.
        maps: which kinds of maps are compared.
        samples: how many samples count, from the first.
        copies: changed copies of the samples that the model is asked about.
    """

    features: Sequence[str] = ()
    filters: Sequence[str] = ()
    attention: Sequence[str] = ()
    maps: Sequence[MapKind] = ("grad_cam",)
    samples: int = MOST_SAMPLES
    copies: Sequence[str] = ()


def filters(layout: Layout, spec: LayerSpec) -> tuple[str, ...]:
    """Convolutions and linear layers whose weights are compared: all for keywords, else those in the layers named."""
    entries = (spec,) if isinstance(spec, str) else tuple(spec)
    every = tuple(layer.name for layer in layout.layers if layer.is_convolution or _is_linear(layer))
    if any(entry in KEYWORDS for entry in entries):
        return evenly_chosen(every, _MOST_FILTERS)
    named = layout.maps(spec)
    return tuple(name for name in every if any(name == layer or name.startswith(f"{layer}.") for layer in named))


def _is_linear(layer: Layer) -> bool:
    return len(layer.kernel) == 2 and "Embedding" not in layer.kind
