"""What the model answers."""

from __future__ import annotations

from collections.abc import Iterator

from lightning_cnnviz.model.evidence import Evidence, Request
from lightning_cnnviz.model.layers import Layout
from lightning_cnnviz.output.artifacts import Array, Artifact, Picture
from lightning_cnnviz.render import Bar, Bars, Sheet
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View, positive
from lightning_cnnviz.views.common import percent, rows


class Predictions(View):
    """The most probable classes of every sample, right or wrong.

    How to read it: a green bar is the true class, a red one a wrong answer that came first. Probabilities are those of
    the softmax, which modern networks overstate.

    Tags and arrays: ``predictions``, (N, classes) probabilities.

    Args:
        top: how many classes are drawn for each sample.
        every_n_epochs: draw in every n-th epoch in which the callback looks.

    Raises:
        ValueError: an argument is out of its range.
    """

    chapter = "answers"

    def __init__(self, top: int = 5, *, every_n_epochs: int = 1) -> None:
        super().__init__(every_n_epochs=every_n_epochs)
        self.top = positive("top", top)

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        return Request()

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        yield Array("predictions", evidence.probabilities)
        samples, count = evidence.samples, min(self.top, evidence.probabilities.shape[1])
        charts: list[tuple[Bar, ...]] = []
        for index in range(evidence.shown):
            best = evidence.probabilities[index].topk(count)
            truth = None if samples.labels is None else int(samples.labels[index])
            bars = []
            for rank, (value, label) in enumerate(zip(best.values.tolist(), best.indices.tolist(), strict=True)):
                wrong_winner = rank == 0 and truth is not None and label != truth
                correct = True if label == truth else False if wrong_winner else None
                bars.append(Bar(samples.class_name(label), value, percent(value), correct))
            charts.append(tuple(bars))
        sheet = Sheet(rows(evidence), (Bars(tuple(charts)),), f"Predictions, {count} most probable classes")
        yield Picture("predictions", sheet, evidence.remarks)
