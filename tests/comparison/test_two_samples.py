from __future__ import annotations

import math

import pytest
import torch

from lightning_cnnviz.comparison.two_samples import (
    distance_to,
    holm,
    kolmogorov_smirnov,
    maximum_mean_discrepancy,
)


@pytest.mark.parametrize(
    ("given", "adjusted"),
    [
        ([0.2], [0.2]),
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.5, 0.001, 0.9], [1.0, 0.003, 1.0]),
        ([0.02, 0.021], [0.04, 0.04]),  # never in another order than before
        ([], []),
    ],
)
def test_holm_by_hand(given: list[float], adjusted: list[float]) -> None:
    assert holm(given) == pytest.approx(adjusted)


def test_kolmogorov_smirnov_by_hand() -> None:
    before = torch.tensor([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0], [4.0, 4.0]])
    now = torch.tensor([[5.0, 1.5], [6.0, 2.5], [7.0, 3.5], [8.0, 4.5]])
    statistics, p_values = kolmogorov_smirnov(before, now)
    assert statistics == pytest.approx([1, 1 / 4])
    assert p_values[0] == pytest.approx(2 / math.comb(8, 4))  # the two divisions that are as extreme
    assert p_values[1] == 1


def test_two_points_lie_as_far_apart_as_their_kernel_says() -> None:
    # The median distance is 3, so the kernel of both is exp(-1/2).
    distance, p = maximum_mean_discrepancy(torch.zeros(1, 2), torch.tensor([[3.0, 0.0]]), 99)
    assert distance == pytest.approx(math.sqrt(2 - 2 * math.exp(-1 / 2)))
    assert p == 1  # each of the two divisions lies as far apart


def test_the_p_value_counts_divisions() -> None:
    near, far = torch.tensor([[0.0], [0.1], [0.2], [0.3]]), torch.tensor([[9.0], [9.1], [9.2], [9.3]])
    _, p = maximum_mean_discrepancy(near, far, 20_000)
    assert p == pytest.approx(2 / math.comb(8, 4), abs=0.004)
    assert maximum_mean_discrepancy(near, far, 99) == maximum_mean_discrepancy(near, far, 99)


def test_the_global_generator_is_left_alone() -> None:
    state = torch.get_rng_state()
    maximum_mean_discrepancy(torch.rand(5, 2, generator=torch.Generator()), torch.ones(4, 2), 10)
    assert torch.equal(state, torch.get_rng_state())


def test_what_is_all_the_same_does_not_differ() -> None:
    assert maximum_mean_discrepancy(torch.ones(5, 3), torch.ones(7, 3), 99) == (0.0, 1.0)
    assert distance_to(torch.ones(7, 2), torch.ones(2, 2)).tolist() == [0, 0]
    assert distance_to(torch.ones(7, 2), torch.zeros(1, 2)).tolist() == [math.inf]


def test_distances_by_hand() -> None:
    reference = torch.arange(7.0)[:, None]  # nearest five of the others: 3, 11/5, 9/5, 9/5, 9/5, 11/5, 3
    far = distance_to(reference, torch.tensor([[3.0], [16.0]]))  # itself and two to each side; 10 to 14
    assert far.tolist() == pytest.approx([6 / 5 / (11 / 5), 12 / (11 / 5)])
