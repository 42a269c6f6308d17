"""How much better or worse a second model is than a first one, on the same labelled samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

_BINS = 15


@dataclass(frozen=True)
class ClassRow:
    """What became of the samples of one class.

    Attributes:
        name: of the class.
        samples: how many there are.
        right_a: how many the first model gets right.
        right_b: how many the second one does.
        negative_flips: how many only the first one does.
        positive_flips: how many only the second one does.
    """

    name: str
    samples: int
    right_a: int
    right_b: int
    negative_flips: int
    positive_flips: int


@dataclass(frozen=True)
class Quality:
    """Two models on the same labelled samples.

    Attributes:
        samples: how many.
        accuracy_a: the share of the samples that the first model gets right.
        accuracy_b: that of the second one.
        negative_flips: the share that the first model gets right and the second one wrong (Yan et al., 2021).
        positive_flips: the share that the first model gets wrong and the second one right.
        mcnemar: two-sided p-value of McNemar's exact test: how often flips would fall as unevenly if both models were
            equally good.
        calibration_error_a: expected calibration error of the first model (Guo et al., 2017): how far confidence and
            accuracy lie apart, in 15 bins of equal width.
        calibration_error_b: that of the second one.
        classes: the classes that there are samples of, in the order of the outputs.
    """

    samples: int
    accuracy_a: float
    accuracy_b: float
    negative_flips: float
    positive_flips: float
    mcnemar: float
    calibration_error_a: float
    calibration_error_b: float
    classes: tuple[ClassRow, ...]

    @property
    def accuracy_drop(self) -> float:
        """By how much the second model's accuracy is below that of the first one."""
        return self.accuracy_a - self.accuracy_b

    def numbers(self) -> dict[str, float]:
        """All numbers but the table, by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, float)}


def quality(
    probabilities_a: Tensor, probabilities_b: Tensor, labels: Tensor, class_name: Callable[[int], str] = str
) -> Quality:
    """Compares what two models said with what is true.

    Args:
        probabilities_a: (N, classes) of the first model; rows that are not finite are wrong.
        probabilities_b: those of the second one.
        labels: (N,) the true classes.
        class_name: the name of a class.
    """
    right_a, right_b = _right(probabilities_a, labels), _right(probabilities_b, labels)
    lost, won = right_a & ~right_b, right_b & ~right_a
    return Quality(
        samples=len(labels),
        accuracy_a=_share(right_a),
        accuracy_b=_share(right_b),
        negative_flips=_share(lost),
        positive_flips=_share(won),
        mcnemar=mcnemar(int(lost.sum()), int(won.sum())),
        calibration_error_a=calibration_error(probabilities_a, right_a),
        calibration_error_b=calibration_error(probabilities_b, right_b),
        classes=tuple(_rows(labels, right_a, right_b, class_name)),
    )


def mcnemar(negative_flips: int, positive_flips: int) -> float:
    """The two-sided p-value of McNemar's exact test: each flip falls to either side with equal chance.

    >>> mcnemar(5, 0)
    0.0625
    """
    flips = negative_flips + positive_flips
    tail = sum(math.comb(flips, count) for count in range(min(negative_flips, positive_flips) + 1))
    return min(1.0, float(2 * tail / 2**flips))


def calibration_error(probabilities: Tensor, right: Tensor) -> float:
    """How far the probability of the predicted class and the share of right answers lie apart, from 0 to 1.

    Args:
        probabilities: (N, classes).
        right: (N,) bool, which answers are right.
    """
    confidence = probabilities.amax(dim=1).double().nan_to_num(0.0)
    bins = (confidence * _BINS).ceil().clamp(1, _BINS).long()
    gaps = torch.zeros(_BINS + 1, dtype=torch.float64).index_add(0, bins, right.double() - confidence)
    return float(gaps.abs().sum() / len(right))


def _right(probabilities: Tensor, labels: Tensor) -> Tensor:
    finite = probabilities.isfinite().all(dim=1)
    return (probabilities.argmax(dim=1) == labels) & finite


def _share(chosen: Tensor) -> float:
    return float(chosen.double().mean())


def _rows(labels: Tensor, right_a: Tensor, right_b: Tensor, class_name: Callable[[int], str]) -> Iterator[ClassRow]:
    for label in labels.unique().tolist():
        a, b = right_a[labels == label], right_b[labels == label]
        yield ClassRow(class_name(label), len(a), int(a.sum()), int(b.sum()), int((a & ~b).sum()), int((b & ~a).sum()))
