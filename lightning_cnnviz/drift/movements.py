"""How far a look is from an earlier one: every number that there is, under its name, and where it is largest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from lightning_cnnviz.drift.distances import feature_drift, focus_shift, jensen_shannon, relative_change
from lightning_cnnviz.drift.measurement import Measurement
from lightning_cnnviz.drift.snapshots import Snapshot
from lightning_cnnviz.output.artifacts import Note
from lightning_cnnviz.render import format_number
from lightning_cnnviz.views.markdown import markdown_table

OF_FEATURES: Mapping[str, Callable[[Tensor, Tensor], float]] = {"features": feature_drift}
OF_FILTERS: Mapping[str, Callable[[Tensor, Tensor], float]] = {"filters": relative_change}
OF_MAPS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {"": jensen_shannon, "_focus_shift": focus_shift}
"""What stands behind the kind of map."""
OF_ANSWERS: Mapping[str, Callable[[Snapshot, Snapshot], Tensor]] = {
    "predictions": lambda now, before: jensen_shannon(_outcomes(now), _outcomes(before)),
    "flips": Snapshot.changed,
}


def movements(now: Snapshot, before: Snapshot, reference: str = "previous") -> Iterator[Measurement]:
    """Everything that can be compared, layers in order of execution; what only one of the two has is left out."""
    yield from _of_layers(OF_FEATURES, now.profiles, before.profiles, reference)
    yield from _of_layers(OF_FILTERS, now.kernels, before.kernels, reference)
    for tag in _common(now.maps, before.maps):
        kind, _, layer = tag.partition("/")
        for end, each in OF_MAPS.items():
            yield _of_samples(f"{kind}{end}", layer, each(now.maps[tag], before.maps[tag]), reference)
    if now.probabilities.shape[1]:
        for name, of_answers in OF_ANSWERS.items():
            yield _of_samples(name, None, of_answers(now, before), reference)


def moved_most(moved: Sequence[Measurement]) -> Note:
    """A note with one row for each number and reference: the layer where it is largest, and the least of its layers."""
    families: dict[tuple[str, str | None], list[Measurement]] = {}
    for one in moved:
        families.setdefault((one.name, one.reference), []).append(one)
    rows = []
    for (name, reference), layers in families.items():
        most, least = max(layers, key=_value), min(layers, key=_value)
        cells = [name, reference or "", most.layer or "", format_number(most.value)]
        cells += [least.layer or "", format_number(least.value)] if len(layers) > 1 else ["", ""]
        rows.append(cells)
    return Note("drift_moved_most", markdown_table(["what moved", "since", "most in", "by", "least in", "by"], rows))


def _outcomes(look: Snapshot) -> Tensor:
    """Probabilities (N, outcomes) of what excludes each other; of independent labels the yes and the no of each."""
    independent = look.decisions is not None and look.decisions.shape == look.probabilities.shape
    return torch.cat([look.probabilities, 1 - look.probabilities], dim=1) if independent else look.probabilities


def _of_layers(
    numbers: Mapping[str, Callable[[Tensor, Tensor], float]],
    now: Mapping[str, Tensor],
    before: Mapping[str, Tensor],
    reference: str,
) -> Iterator[Measurement]:
    for name, distance in numbers.items():
        for layer in _common(now, before):
            yield Measurement("drift", name, layer, distance(now[layer], before[layer]), reference=reference)


def _of_samples(name: str, layer: str | None, by_sample: Tensor, reference: str) -> Measurement:
    return Measurement("drift", name, layer, float(by_sample.mean()), by_sample, reference)


def _common(now: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> list[str]:
    return [name for name, values in now.items() if name in before and before[name].shape == values.shape]


def _value(measurement: Measurement) -> float:
    return measurement.value
