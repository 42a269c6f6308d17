"""Signs that need no earlier look: layers that do no work, maps that betray a shortcut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lightning_cnnviz.drift.health import dead_channels, duplicate_filters, saturation
from lightning_cnnviz.drift.shortcuts import attention_in_region, border_share, centre_spread, entropy
from lightning_cnnviz.drift.snapshots import Scope, attention_maps
from lightning_cnnviz.model.evidence import Evidence


@dataclass(frozen=True)
class Sign:
    """One number about one layer.

    Attributes:
        family: for example ``health/dead_channels`` or ``shortcuts/grad_cam``.
        layer: of which layer, ``"input"`` for the images.
        value: from 0 to 1.
        detail: what of the family, for example ``"border"``, or nothing.
    """

    family: str
    layer: str
    value: float
    detail: str | None = None

    @property
    def tag(self) -> str:
        """The full name, for example ``shortcuts/grad_cam/layer4/border``."""
        return "/".join(part for part in (self.family, self.layer, self.detail) if part)

    @property
    def short_tag(self) -> str:
        """The name of the mean over all layers, for example ``shortcuts/grad_cam/border``."""
        return "/".join(part for part in (self.family, self.detail) if part)


def signs(evidence: Evidence, scope: Scope) -> list[Sign]:
    """Health of the layers and filters, shortcut signs of the maps."""
    return [*_health(evidence, scope), *_shortcuts(evidence, scope)]


def _health(evidence: Evidence, scope: Scope) -> Iterator[Sign]:
    for layer in scope.features:
        activations = evidence.activation(layer)[: scope.samples]
        yield Sign("health/dead_channels", layer, dead_channels(activations))
        yield Sign("health/saturation", layer, saturation(activations))
    for layer in scope.filters:
        yield Sign("health/duplicate_filters", layer, duplicate_filters(evidence.weight(layer)))


def _shortcuts(evidence: Evidence, scope: Scope) -> Iterator[Sign]:
    regions = evidence.samples.regions
    for tag, values in attention_maps(evidence, scope).items():
        kind, _, layer = tag.partition("/")
        family, maps = f"shortcuts/{kind}", values[: scope.samples].cpu()
        yield Sign(family, layer, border_share(maps), "border")
        yield Sign(family, layer, entropy(maps), "entropy")
        yield Sign(family, layer, centre_spread(maps), "spread")
        if regions is not None:
            inside = attention_in_region(maps, regions[: scope.samples])
            yield Sign(family, layer, float(inside.nanmean().nan_to_num()), "attention_in_region")
