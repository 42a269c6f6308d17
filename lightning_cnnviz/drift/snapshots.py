"""What is kept of one look so that a later one can be compared with it: small tensors on the CPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from lightning_cnnviz.drift.numbers import (
    feature_drift,
    focus_shift,
    jensen_shannon,
    pooled,
    relative_change,
    similarity_profile,
)
from lightning_cnnviz.methods.cam import Variant, activation_map
from lightning_cnnviz.methods.gradients import reduce_channels
from lightning_cnnviz.model.evidence import Evidence

MapKind: TypeAlias = Literal["grad_cam", "hirescam", "saliency"]

_VARIANTS: dict[str, Variant] = {"grad_cam": "gradcam", "hirescam": "hirescam"}

_FEATURE_SIDE, _MAP_SIDE = 7, 14
_KERNEL_WEIGHTS = 100_000  # of all layers together: 0.4 MB


@dataclass(frozen=True)
class Scope:
    """What a snapshot is taken of.

    Attributes:
        features: layers whose activations are compared.
        filters: convolutions whose weights are compared.
        attention: layers for whose output class activation maps are compared.
        maps: which kinds of maps are compared.
        samples: how many samples count, from the first.
    """

    features: Sequence[str] = ()
    filters: Sequence[str] = ()
    attention: Sequence[str] = ()
    maps: Sequence[MapKind] = ("grad_cam",)
    samples: int = 64


@dataclass(frozen=True)
class Snapshot:
    """One look, as far as later looks are compared with it.

    Attributes:
        profiles: layer to the (N, N) profile of its features, see
            :func:`~lightning_cnnviz.drift.numbers.similarity_profile`.
        maps: for example ``grad_cam/<layer>`` and ``saliency/input`` to (N, h, w) float32, not negative, at most 14 by
            14.
        probabilities: (N, classes).
        kernels: convolution to its weights, (n,); of large layers a fixed random choice.
    """

    profiles: Mapping[str, Tensor]
    maps: Mapping[str, Tensor]
    probabilities: Tensor
    kernels: Mapping[str, Tensor]

    @property
    def classes(self) -> Tensor:
        """(N,) the predicted classes."""
        return self.probabilities.argmax(dim=1)

    def state_dict(self) -> dict[str, Any]:
        """Tensors under their names."""
        return {item.name: getattr(self, item.name) for item in fields(self)}


@dataclass(frozen=True)
class Movement:
    """How far one thing moved between two snapshots.

    Attributes:
        family: ``"features"``, ``"filters"``, the kind of a map, ``"predictions"`` or ``"flips"``.
        layer: of which layer, ``"input"`` for the images, None for the model's output.
        value: 0 if nothing moved.
        by_sample: (N,) what each sample adds to the mean; None where samples cannot be told apart.
        detail: what of the family, ``"focus_shift"`` or nothing.
    """

    family: str
    layer: str | None
    value: float
    by_sample: Tensor | None = None
    detail: str | None = None

    def tag(self, reference: str) -> str:
        """The full name, for example ``drift/grad_cam/layer4/previous/focus_shift``."""
        return "/".join(part for part in ("drift", self.family, self.layer, reference, self.detail) if part)

    @property
    def short_tag(self) -> str:
        """The name of the mean over all layers, for example ``drift/grad_cam/focus_shift``."""
        return "/".join(part for part in ("drift", self.family, self.detail) if part)


def take(evidence: Evidence, scope: Scope) -> Snapshot:
    """What is kept of a look.

    Raises:
        UnavailableError: the look could not give what the scope names.
        ValueError: there are fewer samples than features can be compared on.
    """
    first = slice(scope.samples)
    profiles = {
        layer: similarity_profile(pooled(evidence.activation(layer)[first].float(), _FEATURE_SIDE))
        for layer in scope.features
    }
    maps = {tag: pooled(values[first], _MAP_SIDE).cpu() for tag, values in attention_maps(evidence, scope).items()}
    each = _KERNEL_WEIGHTS // max(1, len(scope.filters))
    kernels = {layer: chosen_weights(evidence.weight(layer), each) for layer in scope.filters}
    return Snapshot(profiles, maps, evidence.probabilities[first].clone(), kernels)


def attention_maps(evidence: Evidence, scope: Scope) -> dict[str, Tensor]:
    """The maps in their own resolution, (N, h, w) not negative: ``grad_cam/<layer>``, ``saliency/input``."""
    maps = {
        f"{kind}/{layer}": activation_map(evidence.activation(layer), evidence.gradient(layer), _VARIANTS[kind])
        for kind in scope.maps
        if kind in _VARIANTS
        for layer in scope.attention
    }
    if "saliency" in scope.maps:
        maps["saliency/input"] = reduce_channels(evidence.image_gradient().float(), "absolute")
    return maps


def chosen_weights(weights: Tensor, most: int) -> Tensor:
    """All weights of a layer, or as many of them as allowed, always the same ones, chosen at random: (n,)."""
    flat = weights.flatten()
    if len(flat) <= most:
        return flat.clone()
    order = torch.randperm(len(flat), generator=torch.Generator().manual_seed(len(flat)))
    return flat[order[:most]]


def movements(now: Snapshot, before: Snapshot) -> Iterator[Movement]:
    """Everything that can be compared, layers in order of execution; what only one of the two has is left out."""
    for layer in _common(now.profiles, before.profiles):
        yield Movement("features", layer, feature_drift(now.profiles[layer], before.profiles[layer]))
    for layer in _common(now.kernels, before.kernels):
        yield Movement("filters", layer, relative_change(now.kernels[layer], before.kernels[layer]))
    for tag in _common(now.maps, before.maps):
        family, _, layer = tag.partition("/")
        distance = jensen_shannon(now.maps[tag], before.maps[tag])
        yield Movement(family, layer, float(distance.mean()), distance)
        shift = focus_shift(now.maps[tag], before.maps[tag])
        yield Movement(family, layer, float(shift.nanmean().nan_to_num()), shift.nan_to_num(), "focus_shift")
    changed = jensen_shannon(now.probabilities, before.probabilities)
    yield Movement("predictions", None, float(changed.mean()), changed)
    flipped = (now.classes != before.classes).float()
    yield Movement("flips", None, float(flipped.mean()), flipped)


def _common(now: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> list[str]:
    return [name for name, values in now.items() if name in before and before[name].shape == values.shape]
