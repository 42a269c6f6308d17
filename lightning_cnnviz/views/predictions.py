"""What the model answers."""

from __future__ import annotations

from collections.abc import Iterator

from lightning_cnnviz.arguments import positive
from lightning_cnnviz.model.evidence import Evidence, Request
from lightning_cnnviz.model.layers import Layout
from lightning_cnnviz.model.readings import Meaning
from lightning_cnnviz.output.artifacts import Array, Artifact, Picture
from lightning_cnnviz.render import Bar, Bars, Sheet
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View
from lightning_cnnviz.views.captions import labels_in, percent, truth_of
from lightning_cnnviz.views.common import rows


class Predictions(View):
    """What the model answers for every sample, right or wrong.

    How to read it: a green bar is the true class, a red one a wrong answer that came first. Probabilities are those of
    the softmax, which modern networks overstate. Of independent labels each has a probability of its own, and red is
    what is over one half and not true. Of masks the bars are the shares of the places that the classes cover. Of
    values, predicted and true ones are bars of one scale.

    Tags and arrays: ``predictions``, (N, classes) probabilities, shares of the places, or the values (N, ...).

    Args:
        top: how many classes are drawn for each sample.
        every_n_epochs: draw in every n-th epoch in which the callback looks.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(self, top: int = 5, *, every_n_epochs: int = 1) -> None:
        super().__init__(every_n_epochs=every_n_epochs)
        self.top = positive("top", top)

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        if layout.reading.meaning not in _WHAT:
            raise ValueError(f"there is no answer to draw: {layout.reading.reason}")
        return Request()

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        meaning = evidence.layout.reading.meaning
        if meaning == "values":
            assert evidence.answers is not None
            answers, charts = evidence.answers.values, _of_values(evidence, self.top)
        else:
            answers = evidence.probabilities
            charts = [self._of_classes(evidence, index) for index in range(evidence.shown)]
        title = f"Predictions, {_WHAT[meaning].format(count=len(charts[0]))}"
        yield Array("predictions", answers)
        yield Picture("predictions", Sheet(rows(evidence), (Bars(tuple(charts)),), title))

    def _of_classes(self, evidence: Evidence, index: int) -> tuple[Bar, ...]:
        samples, probabilities = evidence.samples, evidence.probabilities[index]
        best = probabilities.topk(min(self.top, len(probabilities)))
        independent = evidence.layout.reading.meaning == "labels"
        truth = self._true_classes(evidence, index)
        bars = []
        for rank, (value, label) in enumerate(zip(best.values.tolist(), best.indices.tolist(), strict=True)):
            claimed = value > 0.5 if independent else rank == 0
            correct = None if truth is None else True if label in truth else False if claimed else None
            bars.append(Bar(samples.class_name(label), value, percent(value), correct))
        return tuple(bars)

    def _true_classes(self, evidence: Evidence, index: int) -> list[int] | None:
        if evidence.layout.reading.meaning == "labels":
            flags = truth_of(evidence, index, "multi_hot")
            return None if flags is None else labels_in(flags)
        labels = evidence.samples.labels if evidence.layout.reading.meaning == "classes" else None
        return None if labels is None else [int(labels[index])]


_WHAT: dict[Meaning, str] = {
    "classes": "{count} most probable classes",
    "labels": "{count} most probable labels",
    "masks": "shares of the {count} largest classes",
    "values": "values",
}


def _of_values(evidence: Evidence, most: int) -> list[tuple[Bar, ...]]:
    """The first values of each sample with the true ones, long by their magnitude beside the largest of all."""
    charts = [_values(evidence, index, most) for index in range(evidence.shown)]
    largest = max((abs(value) for chart in charts for _, value, _ in chart), default=0.0) or 1.0
    return [tuple(Bar(name, abs(value) / largest, f"{value:.3g}", true) for name, value, true in c) for c in charts]


def _values(evidence: Evidence, index: int, most: int) -> list[tuple[str, float, bool | None]]:
    """Names and values, and whether they are the true ones."""
    assert evidence.answers is not None
    said = evidence.answers.values[index].flatten()[:most].tolist()
    truth = truth_of(evidence, index, "values")
    true = [] if truth is None else truth.flatten().tolist()
    found: list[tuple[str, float, bool | None]] = []
    for number, value in enumerate(said):
        which = "" if len(said) == 1 else f" {number}"
        found.append((f"predicted{which}", value, None))
        found += [(f"true{which}", other, True) for other in true[number : number + 1]]
    return found
