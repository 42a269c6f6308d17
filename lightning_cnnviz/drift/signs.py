"""Signs that need no earlier look: layers that do no work, maps that betray a shortcut."""

from __future__ import annotations

from collections.abc import Iterator

from lightning_cnnviz.drift import health, shortcuts
from lightning_cnnviz.drift.measurement import Measurement
from lightning_cnnviz.drift.scope import Scope
from lightning_cnnviz.drift.snapshots import attention_maps
from lightning_cnnviz.model.evidence import Evidence


def signs(evidence: Evidence, scope: Scope) -> list[Measurement]:
    """Health of the layers and filters, shortcut signs of the maps."""
    return [*_health(evidence, scope), *_shortcuts(evidence, scope)]


def _health(evidence: Evidence, scope: Scope) -> Iterator[Measurement]:
    for layer in scope.features:
        activations = evidence.activation(layer)[: scope.samples]
        for name, share in health.OF_ACTIVATIONS.items():
            yield Measurement("health", name, layer, share(activations))
    for layer in scope.filters:
        weights = evidence.weight(layer)
        if weights.ndim == 4:
            for name, share in health.OF_FILTERS.items():
                yield Measurement("health", name, layer, share(weights))


def _shortcuts(evidence: Evidence, scope: Scope) -> Iterator[Measurement]:
    regions = evidence.samples.regions
    for tag, values in attention_maps(evidence, scope).items():
        kind, _, layer = tag.partition("/")
        maps = values[: scope.samples].cpu()
        found = {name: sign(maps) for name, sign in shortcuts.OF_MAPS.items()}
        if regions is not None:
            inside = shortcuts.attention_in_region(maps, regions[: scope.samples])
            found[shortcuts.IN_REGION] = float(inside.nanmean().nan_to_num())
        for name, value in found.items():
            yield Measurement("shortcuts", f"{kind}_{name}", layer, value)
