"""What is kept of one look so that a later one can be compared with it: small tensors on the CPU."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from lightning_cnnviz.drift.distances import pooled, similarity_profile
from lightning_cnnviz.drift.scope import Scope
from lightning_cnnviz.methods.cam import Variant, activation_map
from lightning_cnnviz.methods.gradients import reduce_channels
from lightning_cnnviz.model.evidence import Evidence

_VARIANTS: dict[str, Variant] = {"grad_cam": "gradcam", "hirescam": "hirescam"}

_LEAST_PROBABILITY = 1e-4
_FEATURE_SIDE, _MAP_SIDE = 7, 14
_PLACES = 2**18  # of the masks of all samples together
_KERNEL_WEIGHTS = 100_000  # of all layers together: 0.4 MB


@dataclass(frozen=True)
class Snapshot:
    """One look, as far as later looks are compared with it.

    Attributes:
        profiles: layer to the profile of its features, (N (N - 1) / 2,), see
            :func:`~lightning_cnnviz.drift.distances.similarity_profile`.
        maps: for example ``grad_cam/<layer>`` and ``saliency/input`` to (N, h, w) float32, not negative, at most 14 by
            14.
        probabilities: (N, classes).
        kernels: convolution or linear layer to its weights, (n,); of large layers a fixed random choice.
        decisions: integers, what the model decides of each sample: (N, 1) the class, (N, labels) yes or no, (N, h, w)
            the classes of places, of many or large ones every so manieth; None in looks of older versions.
    """

    profiles: Mapping[str, Tensor]
    maps: Mapping[str, Tensor]
    probabilities: Tensor
    kernels: Mapping[str, Tensor]
    decisions: Tensor | None = None

    @property
    def classes(self) -> Tensor:
        """(N,) the predicted classes; all 0 of a model without classes."""
        if not self.probabilities.shape[1]:
            return torch.zeros(len(self.probabilities), dtype=torch.long)
        return self.probabilities.argmax(dim=1)

    def losses(self, labels: Tensor) -> Tensor:
        """(N,) the cross-entropy of each sample, at most 9.2; ``labels`` may be of more samples."""
        right = self.probabilities.gather(1, labels[: len(self.probabilities), None])[:, 0]
        return -right.nan_to_num(0.0).clamp_min(_LEAST_PROBABILITY).log()

    def changed(self, other: Snapshot) -> Tensor:
        """(N,) from 0 to 1: whether the class or any label of a sample is another one, or the share of its places."""
        now, before = self.decisions, other.decisions
        if now is None or before is None or now.shape != before.shape:
            return (self.classes != other.classes).float()
        differs = (now != before).float().flatten(1)
        return differs.mean(dim=1) if now.ndim > 2 else differs.amax(dim=1)

    def fits(self, samples: int, classes: int) -> bool:
        """Whether it can be compared with a look at so many samples of so many classes."""
        return self.probabilities.shape == (samples, classes)

    def state_dict(self) -> dict[str, Any]:
        """Tensors under their names."""
        return {item.name: getattr(self, item.name) for item in fields(self) if getattr(self, item.name) is not None}


def take(evidence: Evidence, scope: Scope) -> Snapshot:
    """What is kept of a look.

    Raises:
        UnavailableError: the look could not give what the scope names.
        ValueError: there are fewer samples than features can be compared on.
    """
    first = slice(scope.samples)
    profiles = {layer: _profile(evidence, layer, scope.samples) for layer in scope.features}
    maps = {tag: small_map(values[first]) for tag, values in attention_maps(evidence, scope).items()}
    each = _KERNEL_WEIGHTS // max(1, len(scope.filters))
    kernels = {layer: chosen_weights(evidence.weight(layer), each) for layer in scope.filters}
    decisions = None if evidence.answers is None else _kept(evidence.answers.decisions[first])
    return Snapshot(profiles, maps, evidence.probabilities[first].clone(), kernels, decisions)


def _kept(decisions: Tensor) -> Tensor | None:
    """What the model decided, in small integers, of masks no more places than bearable; None if it decides nothing."""
    if decisions.ndim == 3:
        step = math.ceil(math.sqrt(decisions.numel() / _PLACES))
        decisions = decisions[:, :: max(1, step), :: max(1, step)]
    if not decisions.shape[1]:
        return None
    return decisions.to(
        torch.uint8 if 0 <= int(decisions.min()) <= int(decisions.max()) < 256 else torch.int32, copy=True
    )


def small_map(maps: Tensor) -> Tensor:
    """Maps (N, h, w) as they are kept: at most 14 by 14, on the CPU."""
    return pooled(maps, _MAP_SIDE).cpu()


def attention_maps(evidence: Evidence, scope: Scope) -> dict[str, Tensor]:
    """The maps in their own resolution, (N, h, w) not negative: ``grad_cam/<layer>``, ``saliency/input``."""
    maps = {
        f"{kind}/{layer}": _activation_map(evidence, layer, _VARIANTS[kind])
        for kind in scope.maps
        if kind in _VARIANTS
        for layer in scope.attention
    }
    if "saliency" in scope.maps:
        maps["saliency/input"] = evidence.once(
            "absolute saliency", lambda: reduce_channels(evidence.image_gradient().float(), "absolute")
        )
    return maps


def _activation_map(evidence: Evidence, layer: str, variant: Variant) -> Tensor:
    def on_image() -> Tensor:
        maps = activation_map(evidence.activation(layer), evidence.gradient(layer), variant)
        return evidence.layout.on_image(maps, layer)

    return evidence.once((variant, layer), on_image)


def _profile(evidence: Evidence, layer: str, samples: int) -> Tensor:
    return evidence.once(
        ("profile", layer, min(samples, len(evidence.samples))),
        lambda: similarity_profile(pooled(evidence.activation(layer)[:samples].float(), _FEATURE_SIDE)),
    )


def chosen_weights(weights: Tensor, most: int) -> Tensor:
    """All weights of a layer, or as many of them as allowed, always the same ones, chosen at random: (n,)."""
    flat = weights.flatten()
    return flat.clone() if len(flat) <= most else flat[_choice(len(flat), most).to(flat.device)]


@lru_cache(maxsize=64)
def _choice(count: int, most: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(count))[:most].clone()
