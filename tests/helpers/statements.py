"""What is to be said of the samples of the random models, worked out from what is known of their outputs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import torch
from torch import Tensor

CLASSES = (
    *("logits", "tuple", "dict", "dataclass", "two heads", "called twice", "folded", "no gradient", "integers"),
    *("no convolution", "constant", "volume", "embedding", "not finite"),
)
YES_OR_NO = ("one logit", "regression")
PICTURES = ("autoencoder", "variational", "generator")
REFUSED = ("masked", "whole batch", "two views")
WIDTHS = {"embedding": 4, "segmentation": 4, **dict.fromkeys(YES_OR_NO, 2)}

_PLACES = {"tuple": (1,), "dict": ("heads", "cls"), "two heads": (0,), "integers": (1,), "variational": (0,)}


@dataclass
class Statement:
    """What is to be said of one sample.

    Attributes:
        lines: the caption, but for what is explained.
        correct: whether the answer is right.
        bars: name, text and mark of each bar of `Predictions`; None where there is no such chart.
        answer: what `Predictions` gives as the raw answer; None where it is given by the bars, or by nothing.
    """

    lines: tuple[str, ...]
    correct: bool | None = None
    bars: list[tuple[str, str, bool | None]] | None = None
    answer: Tensor | None = None


def statements(kind: str, given: str, output: Any, labels: Any, names: list[str] | None) -> list[Statement]:
    """One for each sample of a model that takes images.

    Args:
        kind: of the model.
        given: of the labels.
        output: what the model returns.
        labels: what the dataset says of each sample; None if it says nothing.
        names: of the classes.
    """
    if kind == "two heads" and given == "mask":  # the head that the data speak of
        kind, output = "segmentation", output[1]
    for step in _PLACES.get(kind, ()):
        output = output[step]
    scores = output.logits if kind == "dataclass" else output
    classes = None if labels is None else _classes(given, labels)
    count = 6 if labels is None else len(labels)
    truths: list[int | None] = [None] * count if classes is None else [*classes]
    says, width = _Says(names), _width(kind, given, scores, classes)
    if max(classes or [0]) >= (scores.shape[1] if kind == "multilabel" else width or math.inf):
        truths = [None] * count  # of labels that may count in another way none can be trusted
    if width:
        return [says.classes(row, truth) for row, truth in zip(_probabilities(kind, scores), truths, strict=True)]
    if kind == "segmentation" or (kind in PICTURES and given == "mask" and scores.shape[1] > 1):
        masks = labels if given == "mask" else [None] * count
        return [says.places(row, mask) for row, mask in zip(scores, masks, strict=True)]
    if kind == "multilabel" and given != "floats":
        return [says.labels(row, truth) for row, truth in zip(scores, truths, strict=True)]
    if kind in (*CLASSES, *YES_OR_NO, "multilabel"):
        numbers = [float(label) for label in labels if classes is None] + [float(label) for label in classes or ()]
        return [says.values(row.reshape(-1), number) for row, number in zip(scores, numbers, strict=True)]
    pictures = list(scores) if kind in PICTURES else [None] * count
    return [says.nothing(index, *both) for index, both in enumerate(zip(truths, pictures, strict=True))]


def _classes(given: str, labels: list[Any]) -> list[int] | None:
    if given == "one-hot":
        return [int(label.argmax()) for label in labels]
    return [int(label) for label in labels] if given in ("classes", "too many", "index first") else None


def _width(kind: str, given: str, scores: Any, classes: list[int] | None) -> int:
    """How many classes of which one is true the model has; 0 if it has none."""
    if kind == "probabilities" or (kind in CLASSES and given != "floats"):
        return int(scores.shape[1])
    if kind in YES_OR_NO and given != "floats" and (classes is None or max(classes) <= 1):
        return 2
    return 0  # one score for labels up to more than 1 is a number


def _probabilities(kind: str, scores: Tensor) -> Tensor:
    if kind in YES_OR_NO:
        yes = scores.reshape(-1, 1).sigmoid()
        return torch.cat([1 - yes, yes], dim=1)
    return scores if kind == "probabilities" else scores.softmax(dim=1)


class _Says:
    def __init__(self, names: list[str] | None) -> None:
        self.named = names

    def name(self, index: int) -> str:
        return self.named[index] if self.named and index < len(self.named) else str(index)

    def title(self, index: int) -> str:
        name = self.name(index)
        return f"class {name}" if name == str(index) else name

    def classes(self, probabilities: Tensor, truth: int | None) -> Statement:
        told = probabilities.tolist()
        true = () if truth is None else (f"true {self.name(truth)}",)
        if any(math.isnan(value) for value in told):
            return Statement(("not finite", *true), None if truth is None else False)
        order = sorted(range(len(told)), key=lambda index: -told[index])
        marks = [None if truth is None else True if c == truth else False if c == order[0] else None for c in order]
        bars = [(self.title(c), percent(told[c]), mark) for c, mark in zip(order, marks, strict=True)]
        correct = None if truth is None else order[0] == truth
        return Statement((self.title(order[0]), percent(told[order[0]]), *true), correct, bars[:5])

    def labels(self, probabilities: Tensor, truth: int | None) -> Statement:
        told = probabilities.tolist()
        said = [index for index, value in enumerate(told) if value > 0.5]
        known = truth is not None
        line = ", ".join(map(self.name, said)) or "no label"
        order = sorted(range(len(told)), key=lambda index: -told[index])
        bars = [
            (
                self.title(c),
                percent(told[c]),
                None if not known else True if c == truth else False if c in said else None,
            )
            for c in order
        ]
        lines = (line, f"true {self.name(truth)}") if known and truth is not None else (line,)
        return Statement(lines, said == [truth] if known else None, bars)

    def places(self, scores: Tensor, truth: Tensor | None) -> Statement:
        decided = scores.argmax(0)
        shares = [float((decided == index).float().mean()) for index in range(len(scores))]
        background = self.named is None
        best = max(range(len(shares)), key=lambda index: (not (background and index == 0), shares[index]))
        if shares[best] < 0.005:
            best = 0
        lines = (self.title(best), f"on {percent(shares[best])} of it")
        if truth is None:
            return Statement(lines, answer=decided.float())
        step = len(decided) // len(truth)
        right = (decided[step // 2 :: step, step // 2 :: step] == truth).float().mean()
        return Statement((*lines, f"{percent(float(right))} right"), answer=decided.float())

    def values(self, numbers: Tensor, truth: float) -> Statement:
        told = numbers.tolist()
        line = ", ".join(f"{value:.3g}".replace("-", "−") for value in told[:3]) + (", …" if len(told) > 3 else "")
        return Statement((f"predicted {line}", f"true {truth:.3g}"), answer=numbers)

    def nothing(self, index: int, label: int | None, picture: Tensor | None) -> Statement:
        lines = (f"sample {index}",) if label is None else (f"sample {index}", self.title(label))
        return Statement(lines, answer=picture)


def percent(share: float) -> str:
    """As people read it."""
    if 0 < share < 0.0005:
        return "<0.1%"
    digits = Decimal("0.1") if 0 < share < 0.01 else Decimal(1)
    return f"{Decimal(100 * share).quantize(digits, ROUND_HALF_UP)}%"
