"""Signs that need no earlier look: layers that do no work, maps that betray a shortcut."""

from __future__ import annotations

from collections.abc import Iterator

from lightning_cnnviz.drift.health import dead_channels, duplicate_filters, saturation
from lightning_cnnviz.drift.measurement import Measurement
from lightning_cnnviz.drift.scope import Scope
from lightning_cnnviz.drift.shortcuts import attention_in_region, border_share, centre_spread, entropy
from lightning_cnnviz.drift.snapshots import attention_maps
from lightning_cnnviz.model.evidence import Evidence


def signs(evidence: Evidence, scope: Scope) -> list[Measurement]:
    """Health of the layers and filters, shortcut signs of the maps."""
    return [*_health(evidence, scope), *_shortcuts(evidence, scope)]


def _health(evidence: Evidence, scope: Scope) -> Iterator[Measurement]:
    for layer in scope.features:
        activations = evidence.activation(layer)[: scope.samples]
        yield Measurement("health", "dead_channels", layer, dead_channels(activations))
        yield Measurement("health", "saturation", layer, saturation(activations))
    for layer in scope.filters:
        weights = evidence.weight(layer)
        if weights.ndim == 4:
            yield Measurement("health", "duplicate_filters", layer, duplicate_filters(weights))


def _shortcuts(evidence: Evidence, scope: Scope) -> Iterator[Measurement]:
    regions = evidence.samples.regions
    for tag, values in attention_maps(evidence, scope).items():
        kind, _, layer = tag.partition("/")
        maps = values[: scope.samples].cpu()
        found = {"border": border_share(maps), "entropy": entropy(maps), "spread": centre_spread(maps)}
        if regions is not None:
            inside = attention_in_region(maps, regions[: scope.samples])
            found["attention_in_region"] = float(inside.nanmean().nan_to_num())
        for name, value in found.items():
            yield Measurement("shortcuts", f"{kind}_{name}", layer, value)
