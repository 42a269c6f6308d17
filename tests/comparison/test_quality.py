from __future__ import annotations

import math

import pytest
import torch

from lightning_cnnviz.comparison.quality import calibration_error, mcnemar, quality

LABELS = torch.tensor([0, 0, 0, 1, 1])
BEFORE = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6], [0.6, 0.4]])  # right: 1 1 0 1 0
NOW = torch.tensor([[0.7, 0.3], [0.1, 0.9], [0.8, 0.2], [0.2, 0.8], [0.1, 0.9]])  # right: 1 0 1 1 1


def test_accuracy_and_flips_by_hand() -> None:
    found = quality(BEFORE, NOW, LABELS, ["cat", "dog"].__getitem__)
    assert found.accuracy_a == pytest.approx(3 / 5)
    assert found.accuracy_b == pytest.approx(4 / 5)
    assert found.negative_flips == pytest.approx(1 / 5)
    assert found.positive_flips == pytest.approx(2 / 5)
    assert found.mcnemar == 1  # 1 against 2: 2 (1 + 3) / 8
    assert [tuple(vars(row).values()) for row in found.classes] == [("cat", 3, 2, 2, 1, 1), ("dog", 2, 1, 2, 0, 1)]


@pytest.mark.parametrize(
    ("negative", "positive", "p"),
    [
        (0, 0, 1.0),
        (0, 5, 2 / 32),
        (1, 5, 2 * (1 + 6) / 64),
        (2, 10, 2 * (1 + 12 + 66) / 4096),
        (3, 3, 1.0),
    ],
)
def test_mcnemar_by_hand(negative: int, positive: int, p: float) -> None:
    assert mcnemar(negative, positive) == pytest.approx(p)
    assert mcnemar(positive, negative) == pytest.approx(p)


def test_mcnemar_of_many_flips_is_that_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    assert mcnemar(2300, 2500) == pytest.approx(stats.binomtest(2300, 4800).pvalue, rel=1e-9)


def test_calibration_by_hand() -> None:
    # 0.95 and 0.97 share the last bin of 15: 1.92 expected, 1 right; 0.61 stands alone in another, and is right.
    probabilities = torch.tensor([[0.95, 0.05], [0.03, 0.97], [0.61, 0.39]])
    right = torch.tensor([True, False, True])
    assert calibration_error(probabilities, right) == pytest.approx((0.92 + 0.39) / 3)
    # What lies on an edge belongs to the bin below it.
    edge = torch.tensor([[0.8, 0.2], [0.79, 0.21]], dtype=torch.float64)
    assert calibration_error(edge, torch.tensor([True, False])) == pytest.approx(abs(0.2 - 0.79) / 2)


def test_one_who_is_sure_and_right_is_calibrated() -> None:
    assert calibration_error(torch.eye(3), torch.tensor([True] * 3)) == 0
    assert calibration_error(torch.eye(3), torch.tensor([False] * 3)) == 1


def test_what_is_not_finite_is_wrong() -> None:
    broken = torch.full((5, 2), math.nan)
    found = quality(BEFORE, broken, LABELS)
    assert (found.accuracy_b, found.negative_flips, found.calibration_error_b) == (0, 3 / 5, 0)
    assert all(map(math.isfinite, found.numbers().values()))
