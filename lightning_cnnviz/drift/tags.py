"""Under which tags the numbers of a look are written, and limits for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

from lightning_cnnviz.arguments import ArgumentError
from lightning_cnnviz.drift import health, movements, shortcuts
from lightning_cnnviz.drift.alarms import AlarmRule
from lightning_cnnviz.drift.copies import flips_name
from lightning_cnnviz.drift.measurement import Measurement
from lightning_cnnviz.drift.rule import SAMPLES_LOSS
from lightning_cnnviz.drift.scope import Scope
from lightning_cnnviz.model.layers.layout import nearest


def tags(scope: Scope, references: Sequence[str]) -> set[str]:
    """The tags of all numbers that a look of this scope may give."""
    maps = [(kind, layer) for kind in scope.maps for layer in (("input",) if kind == "saliency" else scope.attention)]
    moved = [
        *product(movements.OF_FEATURES, scope.features),
        *product(movements.OF_FILTERS, scope.filters),
        *((f"{kind}{end}", layer) for (kind, layer), end in product(maps, movements.OF_MAPS)),
        *product(movements.OF_ANSWERS, (None,)),
    ]
    unhealthy = [*product(health.OF_ACTIVATIONS, scope.features), *product(health.OF_FILTERS, scope.filters)]
    signs = [
        *(
            (f"{kind}_{sign}", layer)
            for (kind, layer), sign in product(maps, (*shortcuts.OF_MAPS, shortcuts.IN_REGION))
        ),
        *((flips_name(copy), None) for copy in scope.copies),
    ]
    every = [
        *(Measurement("drift", name, layer, 0.0, None, of) for (name, layer), of in product(moved, references)),
        *(Measurement("health", name, layer, 0.0) for name, layer in unhealthy),
        *(Measurement("shortcuts", name, layer, 0.0) for name, layer in signs),
    ]
    return {SAMPLES_LOSS} | {one.tag for one in every} | {one.short_tag for one in every}


def check_limits(alarm: AlarmRule, scope: Scope, references: Sequence[str]) -> None:
    """Refuses limits for numbers that no look of this scope gives.

    Raises:
        ArgumentError: there is no number of a tag.
    """
    known = tags(scope, references)
    for tag in _limits(alarm):
        if tag not in known:
            raise ArgumentError(f"alarm={{{tag!r}: …}}: there is no such number; {nearest(tag, sorted(known))}")


def copies_with_limits(alarm: AlarmRule) -> tuple[str, ...]:
    """The changed copies of the samples that limits name."""
    flips = (tag.partition("/flips_") for tag in _limits(alarm) if tag.startswith(("shortcuts/", "shortcuts_layers/")))
    return tuple(copy for _, found, copy in flips if found)


def _limits(alarm: AlarmRule) -> Mapping[str, float]:
    return alarm if isinstance(alarm, Mapping) else {}
