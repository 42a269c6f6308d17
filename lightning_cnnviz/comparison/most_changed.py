"""The samples on which two models differ most, with both maps."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from lightning_cnnviz.drift.distances import jensen_shannon
from lightning_cnnviz.drift.flips import Flips, before_and_after
from lightning_cnnviz.drift.snapshots import Snapshot
from lightning_cnnviz.model.evidence import Evidence
from lightning_cnnviz.output.artifacts import Picture


def most_changed(before: Tensor, now: Tensor, labels: Tensor | None, most: int) -> list[int]:
    """The samples whose probabilities (N, classes) changed most.

    First those that were right and are wrong now, then others whose class changed, then by Jensen-Shannon distance.
    """
    flipped = before.argmax(dim=1) != now.argmax(dim=1)
    lost = flipped & (before.argmax(dim=1) == labels) if labels is not None else flipped
    order = jensen_shannon(before, now) + 2 * flipped + 4 * (lost & flipped)
    return [int(index) for index in order.sort(descending=True, stable=True).indices[:most]]


class MostChanged(Flips):
    """Both maps of the samples given, in their order.

    Args:
        numbers: of each sample in the set that it was chosen from.
        title: of the picture.
    """

    def __init__(self, numbers: Sequence[int], title: str) -> None:
        super().__init__("last", rows=len(numbers), changed_only=False)
        self._numbers, self._title = numbers, title

    def _chosen(self, before: Snapshot, now: Snapshot) -> list[int]:
        return list(range(len(now.probabilities)))

    def _picture(self, evidence: Evidence, before: Snapshot, now: Snapshot, chosen: list[int]) -> Picture:
        figure = before_and_after(evidence, before, now, chosen, title=self._title, numbers=self._numbers)
        return Picture("flips", figure)
