"""What the model answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from lightning_cnnviz.arguments import positive
from lightning_cnnviz.model.evidence import Evidence, Request, UnavailableError
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.model.outputs.readings import Meaning
from lightning_cnnviz.output.artifacts import Array, Artifact, Picture
from lightning_cnnviz.render import Bar, BarSheet, format_number
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View
from lightning_cnnviz.views.captions import known_labels, percent, true_labels, true_values
from lightning_cnnviz.views.common import rows
from lightning_cnnviz.views.masks import predicted_masks, reconstructions


class Predictions(View):
    """What the model answers for every sample, right or wrong.

    How to read it: blue with a tick is the true class, orange with a cross a wrong answer that came first. A true class
    that is not among the most probable ones stands below them with its rank. Of independent labels each has a
    probability of its own, and orange is what is over one half and not true. Of values, predicted and true ones are
    bars of one scale, those below zero to the left of the line. Of masks the class of each place lies in its color over
    the sample, a background without color, with lines around the true regions. A picture that the model makes of its
    input, as autoencoders do, stands beside it with their difference, blue where the output is too small.

    When it misleads: probabilities are those of the softmax, which modern networks overstate; and a few samples that
    are all right say little of the others.

    Tags and arrays: ``predictions``, (N, classes) probabilities; the values (N, ...), the classes of the places
    (N, h, w) or the pictures (N, C, H, W) where the model answers with those.

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
        if layout.reading.meaning not in {*_WHAT, *_OF_PLACES}:
            raise UnavailableError(f"there is no score to explain: {layout.reading.reason}")
        return Request()

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        meaning = evidence.layout.reading.meaning
        if meaning in _OF_PLACES:
            yield from _OF_PLACES[meaning](evidence)
            return
        if meaning == "values":
            assert evidence.answers is not None
            answers, charts = evidence.answers.values, value_bars(evidence, self.top)
            count = len(charts[0])
        else:
            answers, count = evidence.probabilities, min(self.top, evidence.probabilities.shape[1])
            charts = [answer_bars(evidence, index, count) for index in range(evidence.shown)]
        title = f"Predictions, {_WHAT[meaning].format(count=count)}"
        yield Array("predictions", answers)
        yield Picture("predictions", BarSheet(rows(evidence), tuple(charts), title))


def answer_bars(evidence: Evidence, index: int, count: int) -> tuple[Bar, ...]:
    """The most probable classes of a sample, and its true ones with their ranks where they are not among them."""
    probabilities = evidence.probabilities[index]
    independent = evidence.layout.reading.meaning == "labels"
    truth, known = _true_classes(evidence, index), known_labels(evidence, index) if independent else None
    best = probabilities.topk(count).indices.tolist()
    bars = []
    for place, label in enumerate([*best, *(label for label in truth or () if label not in best)]):
        probability = float(probabilities[label])
        claimed = probability > 0.5 if independent else place == 0 and math.isfinite(probability)
        is_known = truth is not None and (known is None or label in known)
        correct = None if truth is None or not is_known else True if label in truth else False if claimed else None
        rank = "" if place < count else f", no. {int((probabilities > probability).sum()) + 1}"
        bars.append(Bar(evidence.samples.class_title(label), probability, f"{percent(probability)}{rank}", correct))
    return tuple(bars)


def _true_classes(evidence: Evidence, index: int) -> list[int] | None:
    if evidence.layout.reading.meaning == "labels":
        return true_labels(evidence, index)
    labels = evidence.samples.labels if evidence.layout.reading.meaning == "classes" else None
    return None if labels is None else [int(labels[index])]


_WHAT: dict[Meaning, str] = {
    "classes": "{count} most probable classes",
    "labels": "{count} most probable labels",
    "values": "values",
}
_OF_PLACES: Mapping[Meaning, Callable[[Evidence], Iterator[Artifact]]] = {
    "masks": predicted_masks,
    "reconstruction": reconstructions,
}


def value_bars(evidence: Evidence, most: int) -> list[tuple[Bar, ...]]:
    """The first values of each sample with the true ones, all on one scale, negative ones to the left of zero."""
    charts = [_values(evidence, index, most) for index in range(evidence.shown)]
    finite = [value for chart in charts for _, value, _ in chart if math.isfinite(value)]
    low, high = min([0.0, *finite]), max([0.0, *finite])
    span = high - low or 1.0
    return [
        tuple(
            Bar(name, (value - low) / span, format_number(value), true, (0.0 - low) / span)
            for name, value, true in chart
        )
        for chart in charts
    ]


def _values(evidence: Evidence, index: int, most: int) -> list[tuple[str, float, bool | None]]:
    """Names and values, and whether they are the true ones."""
    assert evidence.answers is not None
    said = evidence.answers.values[index].flatten()[:most].tolist()
    truth = true_values(evidence, index)
    true = [] if truth is None else truth.flatten().tolist()
    found: list[tuple[str, float, bool | None]] = []
    for number, value in enumerate(said):
        which = "" if len(said) == 1 else f" {number}"
        found.append((f"predicted{which}", value, None))
        found += [(f"true{which}", other, True) for other in true[number : number + 1]]
    return found
