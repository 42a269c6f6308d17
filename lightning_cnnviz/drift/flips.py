"""Which samples changed their class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from lightning_cnnviz.arguments import flag, layer_names, positive
from lightning_cnnviz.drift.scope import Scope
from lightning_cnnviz.drift.snapshots import Snapshot, take
from lightning_cnnviz.model.evidence import Evidence, Request
from lightning_cnnviz.model.layers.layout import LayerSpec, Layout, check_names
from lightning_cnnviz.output.artifacts import Artifact, Picture
from lightning_cnnviz.render import Caption, Maps, Masks, MaskSheet, Row, Sheet, moment
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import ComparesLooks
from lightning_cnnviz.views.captions import percent, short_answer
from lightning_cnnviz.views.common import heat_map, to_numpy
from lightning_cnnviz.views.masks import legend_of, without_background

_EMPHASIS = 1.5  # of "4 → 2", which is what the picture is about


class Flips(ComparesLooks):
    """The samples whose predicted class is another than at the last look, before and after.

    How to read it: the map before belongs to the class predicted before, the map after to the one predicted now. If
    both point to the same place, the model reads the same evidence differently; if not, it found other evidence. Of
    independent labels a sample counts as soon as one of them changed. Of masks both are drawn, and white where the
    class of a place is another one.

    When it misleads: a sample between two classes flips back and forth without anything being learnt or lost, see the
    probabilities below the maps.

    Tag: ``flips``, only at looks at which something flipped.

    Args:
        layers: for whose output Grad-CAM is drawn; ``"last"`` is the last layer of the spatial size of the last
            convolution. Of several the last one counts.
        rows: most samples drawn, those first that were surest before, or of whose masks most changed.
        changed_only: False draws samples that did not flip, too, after those that did.
        every_n_epochs: draw in every n-th epoch in which the callback looks.

    Raises:
        ValueError: an argument is out of its range.
    """

    chapter = "change"

    def __init__(
        self, layers: LayerSpec = "last", *, rows: int = 8, changed_only: bool = True, every_n_epochs: int = 1
    ) -> None:
        super().__init__(every_n_epochs=every_n_epochs)
        self.layers = layer_names("layers", layers)
        self.rows = positive("rows", rows)
        self.changed_only = flag("changed_only", changed_only)
        self._before: Snapshot | None = None
        self._epoch: int | None = None

    def check(self, model: nn.Module) -> None:
        check_names(model, self.layers)

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        layout.reading.check_classes()
        return Request(gradients=frozenset(self._attention(layout)))

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        scope = Scope(attention=self._attention(evidence.layout), samples=len(evidence.samples))
        now, before = take(evidence, scope), self._before
        if before is not None and before.fits(*now.probabilities.shape):
            chosen = self._chosen(before, now)
            if chosen:
                yield self._picture(evidence, before, now, chosen)
        self._before, self._epoch = now, evidence.epoch

    def state_dict(self) -> dict[str, Any]:
        return {} if self._before is None else {**self._before.state_dict(), "epoch": self._epoch}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if state:
            tensors = dict(state)
            self._epoch = tensors.pop("epoch")
            self._before = Snapshot(**tensors)

    def _attention(self, layout: Layout) -> tuple[str, ...]:
        return () if layout.reading.meaning == "masks" else layout.maps(self.layers)[-1:]

    def _chosen(self, before: Snapshot, now: Snapshot) -> list[int]:
        flipped = now.changed(before)
        order_by = before.probabilities.amax(dim=1) if now.maps else flipped
        surest_first = order_by.sort(descending=True, stable=True).indices.tolist()
        order = [index for index in surest_first if flipped[index]]
        if not self.changed_only:
            order += [index for index in range(len(flipped)) if not flipped[index]]
        return order[: self.rows]

    def _picture(self, evidence: Evidence, before: Snapshot, now: Snapshot, chosen: list[int]) -> Picture:
        changed = now.changed(before)
        earlier = "before" if evidence.epoch is None else moment(self._epoch)
        if evidence.layout.reading.meaning == "masks":
            title = f"{percent(float(changed.mean()))} of the places changed their class"
            return Picture("flips", masks_before_and_after(evidence, before, now, chosen, earlier, title=title))
        what = "one of their labels" if evidence.layout.reading.meaning == "labels" else "their class"
        title = f"{int(changed.sum())} of {len(changed)} samples changed {what}"
        if len(chosen) < int(changed.sum()):
            title += f", {len(chosen)} shown"
        figure = before_and_after(evidence, before, now, chosen, earlier, title=title)
        return Picture("flips", figure)


def before_and_after(
    evidence: Evidence,
    before: Snapshot,
    now: Snapshot,
    chosen: Sequence[int],
    earlier: str = "before",
    *,
    title: str,
    numbers: Sequence[int] | None = None,
) -> Sheet:
    """One row for each chosen sample: its map at an earlier look and now, with prediction and probability.

    Args:
        evidence: of the later look.
        before: the earlier look.
        now: the later one.
        chosen: which samples.
        earlier: what the earlier look is called.
        title: of the picture.
        numbers: what the chosen samples are called where they were taken out of more.
    """
    called = dict(zip(chosen, chosen if numbers is None else numbers, strict=True))
    tag, samples = next(iter(now.maps)), evidence.samples
    pictures, boxes = samples.display_pictures(), samples.parts_shown()
    columns = []
    for snapshot, heading in ((before, earlier), (now, _now(evidence))):
        kind = tag if tag in snapshot.maps else next(iter(snapshot.maps))  # another model may name its layers otherwise
        labels = tuple(("  ".join(short_answer(evidence, snapshot.probabilities[index])),) for index in chosen)
        maps = to_numpy(snapshot.maps[kind][list(chosen)][:, None])
        column = heat_map(maps, heading, laying="over", labels=labels)
        columns.append(replace(column, is_moment=evidence.epoch is not None))
    said = {index: _caption(evidence, before, now, index, called[index]) for index in chosen}
    return Sheet(
        tuple(Row(pictures[index], said[index], index, boxes[index]) for index in chosen),
        tuple(columns),
        title,
        f"{tag.replace('grad_cam/', 'Grad-CAM of ')}, each map scaled by itself",
    )


def masks_before_and_after(
    evidence: Evidence, before: Snapshot, now: Snapshot, chosen: Sequence[int], called: str, *, title: str
) -> MaskSheet:
    """One row for each chosen sample: its mask at an earlier look and now, and where they differ."""
    assert before.decisions is not None
    assert now.decisions is not None
    samples, rows = evidence.samples, list(chosen)
    pictures, boxes = samples.display_pictures(), samples.parts_shown()
    earlier, later, shares = before.decisions[rows].long(), now.decisions[rows].long(), now.changed(before)[rows]
    changed = Maps(
        to_numpy((earlier != later)[:, None]),
        ("changed",),
        kind="intensity",
        colormap="gray",
        limits=(0, 1),
        labels=tuple((percent(share),) for share in shares.tolist()),
    )
    return MaskSheet(
        tuple(Row(pictures[index], Caption((f"sample {index}",)), index, boxes[index]) for index in chosen),
        (
            Masks(without_background(earlier, evidence), called),
            Masks(without_background(later, evidence), _now(evidence)),
            changed,
        ),
        title,
        "white: the class of the place is another one",
        legend=legend_of(evidence, earlier, later),
    )


def _now(evidence: Evidence) -> str:
    return "after" if evidence.epoch is None else moment(evidence.epoch)


def _caption(evidence: Evidence, before: Snapshot, now: Snapshot, index: int, number: int) -> Caption:
    samples = evidence.samples
    if evidence.layout.reading.meaning != "classes":
        return Caption((f"sample {number}",))
    answer = int(now.classes[index])
    said = dict.fromkeys(samples.class_name(one) for one in (int(before.classes[index]), answer))
    truth = None if samples.labels is None else int(samples.labels[index])
    lines = [" → ".join(said), *([] if truth is None else [f"true {samples.class_name(truth)}"]), f"sample {number}"]
    return Caption(tuple(lines), None if truth is None else answer == truth, _EMPHASIS)
