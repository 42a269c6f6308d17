"""What stands beside a sample: what the model made of it, and what is true."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from lightning_cnnviz.model.evidence import Evidence
from lightning_cnnviz.model.outputs.readings import Meaning
from lightning_cnnviz.render import Caption, format_number
from lightning_cnnviz.samples import FixedSamples

_MOST_NUMBERS = 3
_NOT_FINITE = "not finite"


def captions(evidence: Evidence) -> list[Caption]:
    """A caption for each sample that is drawn, in the words that fit the kind of the model's output."""
    caption = _CAPTIONS.get(evidence.layout.reading.meaning, _of_sample)
    return [caption(evidence, index) for index in range(evidence.shown)]


def percent(probability: float) -> str:
    """A probability as it is read: 98%, 0.4%, <0.1%."""
    if not np.isfinite(probability):
        return format_number(probability)
    if 0 < probability < 0.0005:
        return "<0.1%"
    # Halves are rounded up, as the page does: one of eight is 13%.
    if 0 < probability < 0.01:
        return f"{math.floor(1000 * probability + 0.5) / 10:.1f}%"
    return f"{math.floor(100 * probability + 0.5)}%"


def numbers(values: Tensor) -> str:
    """The first few of some values."""
    flat = values.flatten().tolist()
    return ", ".join(map(format_number, flat[:_MOST_NUMBERS])) + (", …" if len(flat) > _MOST_NUMBERS else "")


def true_labels(evidence: Evidence, index: int) -> list[int] | None:
    """The labels that are true of a sample, None where the data say nothing of these labels."""
    truth, count = evidence.samples.truth, evidence.layout.classes
    if truth is None or isinstance(truth.values, tuple):
        return None
    if truth.kind == "multi_hot":
        nothing = known_labels(evidence, index) == []
        return None if nothing or truth.values.shape[1] != count else labels_in(truth.values[index])
    if truth.kind == "classes":
        return [int(truth.values[index])] if int(truth.values[index]) < count else None
    return None


def known_labels(evidence: Evidence, index: int) -> list[int] | None:
    """The labels of which the data say whether they are true of a sample, None where they do of all."""
    truth = evidence.samples.truth
    return None if truth is None or truth.known is None else labels_in(truth.known[index])


def true_values(evidence: Evidence, index: int) -> Tensor | None:
    """The numbers to be predicted of a sample, None where the data say none."""
    truth = evidence.samples.truth
    if truth is None or isinstance(truth.values, tuple) or truth.kind not in ("values", "classes"):
        return None
    return truth.values[index].float().reshape(-1)


def true_masks(evidence: Evidence) -> Tensor | None:
    """The true class of each place, (N, H, W), None where the data say none; -1 where it is none of the model's."""
    truth, reading = evidence.samples.truth, evidence.layout.reading
    if truth is None or isinstance(truth.values, tuple) or truth.kind != "masks":
        return None
    masks, count = truth.values, reading.width
    is_yes_or_no = reading.single or (count == 2 and not reading.overlapping and masks.unique().tolist() == [0, 255])
    if is_yes_or_no and not bool((masks == 1).any()):
        masks = (masks > 0).long()  # 255 is a common yes
    return masks.where((masks >= 0) & (masks < count), -1)


def share_right(decided: Tensor, truth: Tensor) -> float:
    """Of the places with a true class (H, W) the share where it is the one decided on (h, w); NaN if there are none."""
    resized = F.interpolate(decided[None, None].float(), truth.shape, mode="nearest-exact")[0, 0].long()
    return float((resized == truth)[truth >= 0].float().mean())


def labels_in(flags: Tensor) -> list[int]:
    """The indices of those that are set."""
    return [int(label) for label in flags.nonzero()]


def short_answer(evidence: Evidence, probabilities: Tensor) -> tuple[str, str]:
    """What a model answered at any look, by its probabilities (classes,): what, and how sure or on how much of it."""
    samples, reading = evidence.samples, evidence.layout.reading
    if reading.meaning == "labels":
        return _listed(samples, labels_in(probabilities > 0.5)), ""
    best = int(reading.leading(probabilities[None]))
    share = percent(float(probabilities[best]))
    return samples.class_title(best), f"on {share}" if reading.meaning == "masks" else share


def _of_class(evidence: Evidence, index: int) -> Caption:
    """Predicted class and probability, true class, and the class explained where it is another."""
    samples = evidence.samples
    probability, predicted = (found.item() for found in evidence.probabilities[index].max(dim=0))
    answer = [samples.class_title(int(predicted)), percent(probability)]
    lines = answer if np.isfinite(probability) else [_NOT_FINITE]
    truth = None if samples.labels is None else int(samples.labels[index])
    if truth is not None:
        lines.append(f"true {samples.class_name(truth)}")
    lines += _explained(evidence, index, unless=[int(predicted)])
    return Caption(tuple(lines), None if truth is None else truth == predicted and lines[0] != _NOT_FINITE)


def _of_labels(evidence: Evidence, index: int) -> Caption:
    """All labels that are more probable than not, and all true ones; of labels that nobody knows none is wrong."""
    samples = evidence.samples
    probabilities, truth = evidence.probabilities[index], true_labels(evidence, index)
    said = labels_in(probabilities > 0.5)
    finite = bool(probabilities.isfinite().all())
    lines = [_listed(samples, said) if finite else _NOT_FINITE]
    if truth is not None:
        lines.append(f"true {_listed(samples, truth)}")
    lines += _explained(evidence, index, unless=said if len(said) == 1 else [])
    known = known_labels(evidence, index)
    judged = said if known is None else [label for label in said if label in known]
    return Caption(tuple(lines), None if truth is None else finite and truth == judged)


def _of_places(evidence: Evidence, index: int) -> Caption:
    """The class that covers most of the picture, a background only where there is nothing else, and how much of it."""
    assert evidence.answers is not None
    scores = evidence.answers.values[index]
    if not bool(scores.isfinite().all()):
        return Caption((_NOT_FINITE,))
    largest = int(evidence.layout.reading.leading(evidence.probabilities[index, None]))
    share = float(evidence.probabilities[index, largest])
    lines = [evidence.samples.class_title(largest), f"on {percent(share)} of it"]
    truth = true_masks(evidence)
    if truth is not None and bool((truth[index] >= 0).any()):
        lines.append(f"{percent(share_right(evidence.answers.decisions[index], truth[index]))} right")
    return Caption((*lines, *_explained(evidence, index, unless=[largest])))


def _of_values(evidence: Evidence, index: int) -> Caption:
    """What is predicted, and what is true."""
    assert evidence.answers is not None
    lines = [f"predicted {numbers(evidence.answers.values[index])}"]
    truth = true_values(evidence, index)
    return Caption((*lines, *([] if truth is None else [f"true {numbers(truth)}"])))


def _of_sample(evidence: Evidence, index: int) -> Caption:
    """Its number, and its class where it has one, for a model that says nothing of classes."""
    labels = evidence.samples.labels
    name = () if labels is None else (evidence.samples.class_title(int(labels[index])),)
    return Caption((f"sample {index}", *name))


_CAPTIONS: Mapping[Meaning, Callable[[Evidence, int], Caption]] = {
    "classes": _of_class,
    "labels": _of_labels,
    "masks": _of_places,
    "values": _of_values,
}


def _explained(evidence: Evidence, index: int, *, unless: list[int]) -> list[str]:
    if evidence.target_classes is None or int(evidence.target_classes[index]) in unless:
        return []
    return [f"maps of {evidence.samples.class_title(int(evidence.target_classes[index]))}"]


def _listed(samples: FixedSamples, labels: list[int]) -> str:
    return ", ".join(samples.class_name(label) for label in labels) or "no label"
