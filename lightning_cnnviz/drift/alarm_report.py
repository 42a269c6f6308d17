"""What an alarm looks like: a note with the numbers, and the samples that moved most, before and after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lightning_cnnviz.drift.alarms import Alarm, Exceeded
from lightning_cnnviz.drift.flips import before_and_after
from lightning_cnnviz.drift.measurement import Measurement
from lightning_cnnviz.drift.snapshots import Snapshot
from lightning_cnnviz.model.evidence import Evidence
from lightning_cnnviz.output.artifacts import Artifact, Note, Picture
from lightning_cnnviz.render import format_number
from lightning_cnnviz.views.common import percent

_SAMPLES = 4


def make_alarm(epoch: int | None, exceeded: Sequence[Exceeded], moved: Sequence[Measurement]) -> Alarm:
    """The alarm with the samples that moved most in what alarmed, or in their maps where nothing can be told apart."""
    of_samples = {one.tag: one for one in moved if one.by_sample is not None}
    named = [of_samples[one.tag] for one in exceeded if one.tag in of_samples]
    maps_first = sorted(of_samples.values(), key=lambda one: one.layer is None)
    ranking = (named or maps_first)[0].by_sample
    assert ranking is not None
    order = ranking.sort(descending=True, stable=True).indices.tolist()
    return Alarm(epoch, tuple(exceeded), tuple(index for index in order[:_SAMPLES] if ranking[index] > 0))


def report(
    alarm: Alarm,
    evidence: Evidence,
    before: Snapshot,
    now: Snapshot,
    moved: Sequence[Measurement],
    *,
    earlier_epoch: int | None,
) -> Iterator[Artifact]:
    """A note, and a picture if there are maps."""
    yield Note("alarms", _text(alarm, evidence, before, now, moved), (alarm.sentence,))
    if now.maps and alarm.samples:
        title = f"Alarm: {alarm.exceeded[0].tag} is {format_number(alarm.exceeded[0].value)}"
        yield Picture("alarms", before_and_after(evidence, before, now, alarm.samples, earlier_epoch, title=title))


def _text(alarm: Alarm, evidence: Evidence, before: Snapshot, now: Snapshot, moved: Sequence[Measurement]) -> str:
    lines = [f"**{alarm.sentence}**", "", "| number | value | limit |", "|---|---|---|"]
    lines += [f"| {one.tag} | {format_number(one.value)} | {format_number(one.limit)} |" for one in alarm.exceeded]
    maps = [one for one in moved if one.by_sample is not None and one.layer is not None]
    headings = ["sample", "true", "before", "now", *(_heading(one) for one in maps)]
    lines += ["", f"| {' | '.join(headings)} |", "|---" * len(headings) + "|"]
    for index in alarm.samples:
        cells = [str(index), _truth(evidence, index), _answer(evidence, before, index), _answer(evidence, now, index)]
        cells += [format_number(float(one.by_sample[index])) for one in maps if one.by_sample is not None]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _heading(measurement: Measurement) -> str:
    return f"{measurement.short_tag} of {measurement.layer}"


def _truth(evidence: Evidence, index: int) -> str:
    labels = evidence.samples.labels
    return "" if labels is None else evidence.samples.class_name(int(labels[index]))


def _answer(evidence: Evidence, snapshot: Snapshot, index: int) -> str:
    best = int(snapshot.classes[index])
    return f"{evidence.samples.class_name(best)} {percent(float(snapshot.probabilities[index, best]))}"
