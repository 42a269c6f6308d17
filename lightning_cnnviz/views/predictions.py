"""What the model answers."""

from __future__ import annotations

from collections.abc import Iterator

from lightning_cnnviz.model.evidence import Evidence, Request
from lightning_cnnviz.model.layers import Layout
from lightning_cnnviz.output.artifacts import Array, Artifact, Picture
from lightning_cnnviz.render import Bar, BarSheet
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View, positive
from lightning_cnnviz.views.common import percent, rows


class Predictions(View):
    """The most probable classes of every sample, right or wrong.

    How to read it: blue with a tick is the true class, orange with a cross a wrong answer that came first. A true class
    that is not among the most probable ones stands below them with its rank. Probabilities are those of the softmax,
    which modern networks overstate.

    Tags and arrays: ``predictions``, (N, classes) probabilities.

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
        return Request()

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        yield Array("predictions", evidence.probabilities)
        count = min(self.top, evidence.probabilities.shape[1])
        charts = tuple(answer_bars(evidence, index, count) for index in range(evidence.shown))
        figure = BarSheet(rows(evidence), charts, f"Predictions, {count} most probable classes")
        yield Picture("predictions", figure, evidence.remarks)


def answer_bars(evidence: Evidence, index: int, count: int) -> tuple[Bar, ...]:
    """The most probable classes of a sample, and its true class with its rank where that is not among them."""
    samples, probabilities = evidence.samples, evidence.probabilities[index]
    truth = None if samples.labels is None else int(samples.labels[index])
    bars = []
    best = probabilities.topk(count).indices.tolist()
    for rank, label in enumerate(best):
        correct = True if label == truth else False if rank == 0 and truth is not None else None
        bars.append(
            Bar(samples.class_name(label), float(probabilities[label]), percent(float(probabilities[label])), correct)
        )
    if truth is not None and truth not in best:
        rank = int((probabilities > probabilities[truth]).sum()) + 1
        share = float(probabilities[truth])
        bars.append(Bar(samples.class_name(truth), share, f"{percent(share)}, no. {rank}", True))
    return tuple(bars)
