"""What an alarm looks like: a note with the numbers, and the samples that moved most, before and after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from lightning_cnnviz.drift.alarms import Alarm, Exceeded
from lightning_cnnviz.drift.flips import before_and_after
from lightning_cnnviz.drift.measurement import Measurement
from lightning_cnnviz.drift.rule import SAMPLES_LOSS
from lightning_cnnviz.drift.snapshots import Snapshot
from lightning_cnnviz.model.evidence import Evidence
from lightning_cnnviz.output.artifacts import Artifact, Note, Picture
from lightning_cnnviz.render import format_number, moment
from lightning_cnnviz.views.captions import short_answer
from lightning_cnnviz.views.markdown import markdown_table

_SAMPLES = 4
NOT_FINITE = "weights that are not finite"


def make_alarm(
    epoch: int | None,
    exceeded: Sequence[Exceeded],
    moved: Sequence[Measurement],
    losses: Tensor | None,
    weights: Mapping[str, Tensor],
) -> Alarm:
    """The alarm with the samples that moved most in what alarmed.

    Args:
        epoch: of the look.
        exceeded: what is above its limit.
        moved: how far everything moved since the reference.
        losses: (N,) by how much the loss of each sample rose since the reference; None without labels.
        weights: of the layers, as far as they are kept.
    """
    broken = {layer for layer, values in weights.items() if not bool(values.isfinite().all())}
    exceeded = [replace(one, remark=NOT_FINITE) if one.layer in broken else one for one in exceeded]
    exceeded.sort(key=lambda one: one.remark != NOT_FINITE)
    rankings = (_by_sample(one.tag, moved, losses) for one in exceeded)
    return Alarm(epoch, tuple(exceeded), _largest(next((one for one in rankings if one is not None), None)))


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
    # Where what alarmed tells no samples apart, those are shown whose prediction moved most.
    shown = alarm.samples or _largest(next((one.by_sample for one in moved if one.name == "predictions"), None))
    if now.maps and before.maps and shown:
        title = f"Alarm: {alarm.exceeded[0].tag} is {format_number(alarm.exceeded[0].value)}"
        earlier = "before" if earlier_epoch is None else moment(earlier_epoch)
        yield Picture("alarms", before_and_after(evidence, before, now, shown, earlier, title=title))


def _by_sample(tag: str, moved: Sequence[Measurement], losses: Tensor | None) -> Tensor | None:
    """(N,) what each sample adds to a number, summed over the layers; None if samples cannot be told apart in it."""
    if tag == SAMPLES_LOSS:
        return losses
    found = [one.by_sample for one in moved if tag in (one.tag, one.short_tag) and one.by_sample is not None]
    return torch.stack(found).sum(dim=0) if found else None


def _largest(by_sample: Tensor | None) -> tuple[int, ...]:
    if by_sample is None:
        return ()
    order = by_sample.sort(descending=True, stable=True).indices.tolist()
    return tuple(index for index in order[:_SAMPLES] if by_sample[index] > 0)


def _text(alarm: Alarm, evidence: Evidence, before: Snapshot, now: Snapshot, moved: Sequence[Measurement]) -> str:
    exceeded = [(one.tag, format_number(one.value), one.remark or format_number(one.limit)) for one in alarm.exceeded]
    parts = [f"**{alarm.sentence}**", markdown_table(["number", "value", "limit"], exceeded)]
    maps = [one for one in moved if one.by_sample is not None and one.layer is not None]
    headings = ["sample", "true", "before", "now", *(_heading(one) for one in maps)]
    rows = []
    for index in alarm.samples:
        cells = [str(index), _truth(evidence, index), _answer(evidence, before, index), _answer(evidence, now, index)]
        cells += [format_number(float(one.by_sample[index])) for one in maps if one.by_sample is not None]
        rows.append(cells)
    return "\n\n".join([*parts, markdown_table(headings, rows)] if rows else parts)


def _heading(measurement: Measurement) -> str:
    return f"{measurement.short_tag} of {measurement.layer}"


def _truth(evidence: Evidence, index: int) -> str:
    labels = evidence.samples.labels
    return "" if labels is None else evidence.samples.class_name(int(labels[index]))


def _answer(evidence: Evidence, snapshot: Snapshot, index: int) -> str:
    return " ".join(filter(None, short_answer(evidence, snapshot.probabilities[index])))
