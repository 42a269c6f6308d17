"""What a look at drift covers: which layers, maps and samples, and the tags of the numbers that come of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from lightning_cnnviz.drift.measurement import Measurement
from lightning_cnnviz.drift.rule import SAMPLES_LOSS
from lightning_cnnviz.model.layers import KEYWORDS, Layer, LayerSpec, Layout

MapKind: TypeAlias = Literal["grad_cam", "hirescam", "saliency"]

MOST_SAMPLES = 256
"""Enough for numbers that scatter by less than a tenth; the state of a run grows with their square."""

DEFAULT_SAMPLES = 32
"""So many are taken from the batches."""

MAP_SIGNS = ("border", "entropy", "spread", "attention_in_region")

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


def flips_name(copy: str) -> str:
    """What the share of the samples is called whose class is another one in a copy."""
    return f"flips_{copy.replace('/', '_')}"


def tags(scope: Scope, references: Sequence[str]) -> set[str]:
    """The tags of all numbers that a look of this scope may give."""
    maps = {kind: ("input",) if kind == "saliency" else scope.attention for kind in scope.maps}
    moved = {"features": scope.features, "filters": scope.filters, "predictions": (None,), "flips": (None,)}
    moved |= {f"{kind}{end}": layers for kind, layers in maps.items() for end in ("", "_focus_shift")}
    health = {"dead_channels": scope.features, "saturation": scope.features, "duplicate_filters": scope.filters}
    shortcuts: dict[str, Sequence[str | None]] = {
        f"{kind}_{sign}": layers for kind, layers in maps.items() for sign in MAP_SIGNS
    }
    shortcuts |= {flips_name(copy): (None,) for copy in scope.copies}
    every = [
        *(
            Measurement("drift", name, layer, 0.0, None, of)
            for name in moved
            for layer in moved[name]
            for of in references
        ),
        *(Measurement("health", name, layer, 0.0) for name in health for layer in health[name]),
        *(Measurement("shortcuts", name, layer, 0.0) for name in shortcuts for layer in shortcuts[name]),
    ]
    return {SAMPLES_LOSS} | {one.tag for one in every} | {one.short_tag for one in every}


def filters(layout: Layout, spec: LayerSpec) -> tuple[str, ...]:
    """Convolutions and linear layers whose weights are compared: all for keywords, else those in the layers named."""
    entries = (spec,) if isinstance(spec, str) else tuple(spec)
    every = tuple(layer.name for layer in layout.layers if layer.is_convolution or _is_linear(layer))
    if any(entry in KEYWORDS for entry in entries):
        step = max(1, (len(every) - 1) / (_MOST_FILTERS - 1))
        return tuple(every[round(index * step)] for index in range(min(len(every), _MOST_FILTERS)))
    named = layout.maps(spec)
    return tuple(name for name in every if any(name == layer or name.startswith(f"{layer}.") for layer in named))


def _is_linear(layer: Layer) -> bool:
    return len(layer.kernel) == 2 and "Embedding" not in layer.kind
