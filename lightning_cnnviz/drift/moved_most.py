"""Which layers moved most, as a table to read."""

from __future__ import annotations

from collections.abc import Sequence

from lightning_cnnviz.drift.measurement import Measurement
from lightning_cnnviz.output.artifacts import Note
from lightning_cnnviz.render import format_number


def moved_most(moved: Sequence[Measurement]) -> Note:
    """A note with one row for each number and reference: the layer where it is largest, and the least of its layers."""
    families: dict[tuple[str, str | None], list[Measurement]] = {}
    for one in moved:
        families.setdefault((one.name, one.reference), []).append(one)
    lines = ["| what moved | since | most in | by | least in | by |", "|---|---|---|---|---|---|"]
    for (name, reference), layers in families.items():
        most, least = max(layers, key=_value), min(layers, key=_value)
        cells = [name, reference or "", most.layer or "", format_number(most.value)]
        cells += [least.layer or "", format_number(least.value)] if len(layers) > 1 else ["", ""]
        lines.append(f"| {' | '.join(cells)} |")
    return Note("drift_moved_most", "\n".join(lines))


def _value(measurement: Measurement) -> float:
    return measurement.value
