"""The distances between features, maps and places, against formulas written out here."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_cnnviz.drift.distances import (
    centres,
    feature_drift,
    focus_shift,
    jensen_shannon,
    pooled,
    relative_change,
    similarity_profile,
    u_centred,
)
from tests.helpers.drift import normal


def drift(first: Tensor, second: Tensor) -> float:
    return feature_drift(similarity_profile(first), similarity_profile(second))


def unbiased_hsic(first: np.ndarray, second: np.ndarray) -> float:
    """Song et al. (2012), equation 5, with linear kernels."""
    count = len(first)
    k, m = first @ first.T, second @ second.T
    np.fill_diagonal(k, 0)
    np.fill_diagonal(m, 0)
    one = np.ones(count)
    trace = np.trace(k @ m)
    product = (one @ k @ one) * (one @ m @ one) / ((count - 1) * (count - 2))
    mixed = 2 / (count - 2) * (one @ k @ m @ one)
    return float((trace + product - mixed) / (count * (count - 3)))


class TestFeatureDrift:
    @pytest.mark.parametrize("count", [4, 5, 16, 40])
    def test_equals_one_minus_debiased_cka_by_the_formula_of_song(self, count: int) -> None:
        first = normal(count, 6)
        second = first @ normal(6, 9, seed=1) + 2 * normal(count, 9, seed=2) + 5
        a, b = first.numpy(), second.numpy()
        cka = unbiased_hsic(a, b) / math.sqrt(unbiased_hsic(a, a) * unbiased_hsic(b, b))
        assert drift(first, second) == pytest.approx(min(1 - cka, 1), abs=1e-6)

    def test_rows_of_a_u_centred_matrix_sum_to_zero_and_shared_offsets_vanish(self) -> None:
        features = normal(7, 3)
        gram = features @ features.T
        offsets = torch.arange(7.0, dtype=torch.float64)
        centred = u_centred(gram)
        assert torch.allclose(centred.sum(dim=0), torch.zeros(7, dtype=torch.float64), atol=1e-12)
        assert torch.allclose(u_centred(gram + offsets[:, None] + offsets[None, :]), centred, atol=1e-12)

    def test_is_exactly_zero_for_the_same_features(self) -> None:
        features = normal(16, 3, 7, 7).float()
        assert drift(features, features.clone()) == 0.0

    def test_does_not_see_rotations_scales_and_offsets(self) -> None:
        features = normal(12, 5)
        rotation = torch.linalg.qr(normal(5, 5, seed=1)).Q
        assert drift(features, 1e-3 * features @ rotation + 7) == pytest.approx(0, abs=1e-10)

    def test_does_not_depend_on_the_order_of_the_samples(self) -> None:
        first, second, order = normal(12, 5), normal(12, 5, seed=1), torch.randperm(12)
        assert drift(first[order], second[order]) == pytest.approx(drift(first, second), abs=1e-6)

    def test_is_symmetric(self) -> None:
        first, second = normal(9, 5), normal(9, 5, seed=1)
        assert drift(first, second) == drift(second, first)

    def test_sees_a_stretch_along_one_axis(self) -> None:
        features = normal(12, 5)
        stretched = features * torch.tensor([10.0, 1, 1, 1, 1], dtype=torch.float64)
        assert 0.1 < drift(features, stretched) < 1

    def test_is_near_one_for_unrelated_features_without_the_bias_of_plain_cka(self) -> None:
        values = [drift(normal(32, 200, seed=2 * i), normal(32, 200, seed=2 * i + 1)) for i in range(10)]
        assert np.mean(values) == pytest.approx(1, abs=0.03)

    def test_very_large_and_very_small_features_count_the_same(self) -> None:
        first, second = normal(8, 5), normal(8, 5, seed=1)
        assert drift(first * 1e30, second * 1e-30) == pytest.approx(drift(first, second), abs=1e-6)

    def test_a_layer_that_became_constant_moved_entirely(self) -> None:
        features, constant = normal(8, 5), torch.ones(8, 5)
        assert drift(features, constant) == 1.0
        assert drift(constant, 3 * constant) == 0.0

    def test_a_layer_that_one_sample_drives_stands_still(self) -> None:
        features = torch.zeros(32, 6, 7, 7)
        features[5] = normal(6, 7, 7).abs().float()
        before = features.clone()
        features[5] *= 1.7  # the other samples are told apart by nothing, before as after
        assert drift(features, before) == 0.0
        assert drift(features + 0.3, before + 0.3) == 0.0
        assert drift(features, normal(32, 6, 7, 7, seed=1)) == 1.0

    @pytest.mark.parametrize("bad", [math.nan, math.inf])
    def test_a_layer_that_is_not_finite_moved_entirely(self, bad: float) -> None:
        features = normal(8, 5)
        broken = features.clone()
        broken[3, 2] = bad
        assert drift(features, broken) == 1.0
        assert drift(broken, broken) == 1.0

    def test_three_samples_are_refused(self) -> None:
        with pytest.raises(ValueError, match="at least 4 samples, got 3"):
            similarity_profile(normal(3, 5))


def bits(shares: np.ndarray) -> float:
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())


class TestJensenShannon:
    def test_equals_the_entropy_of_the_mixture_minus_the_mean_entropy(self) -> None:
        first, second = normal(6, 4, 5).abs(), normal(6, 4, 5, seed=1).abs()
        first[0, :2] = 0
        expected = []
        for a, b in zip(first.flatten(1).numpy(), second.flatten(1).numpy(), strict=True):
            p, q = a / a.sum(), b / b.sum()
            expected.append(math.sqrt(bits((p + q) / 2) - (bits(p) + bits(q)) / 2))
        assert jensen_shannon(first, second).tolist() == pytest.approx(expected, abs=1e-6)

    def test_by_hand(self) -> None:
        # (1, 0) and (1/2, 1/2) have the middle (3/4, 1/4).
        divergence = (math.log2(4 / 3) + 0.5 * math.log2(2 / 3) + 0.5 * math.log2(2)) / 2
        found = jensen_shannon(torch.tensor([[1.0, 0.0]]), torch.tensor([[3.0, 3.0]]))
        assert found.item() == pytest.approx(math.sqrt(divergence), abs=1e-6)

    def test_is_exactly_zero_for_the_same_maps_however_strong(self) -> None:
        maps = normal(5, 7, 7).abs().float()
        assert jensen_shannon(maps, maps).tolist() == [0.0] * 5
        assert jensen_shannon(maps, 1024 * maps).tolist() == [0.0] * 5

    def test_blank_maps(self) -> None:
        blank, other = torch.zeros(1, 3, 3), torch.ones(1, 3, 3)
        assert jensen_shannon(blank, blank).item() == 0
        assert jensen_shannon(blank, other).item() == 1
        assert jensen_shannon(other, blank).item() == 1

    def test_a_map_that_is_not_finite_moved_entirely(self) -> None:
        maps = torch.ones(2, 3, 3)
        broken = maps.clone()
        broken[1, 0, 0] = math.nan
        assert jensen_shannon(maps, broken).tolist() == [0.0, 1.0]

    def test_gradients_near_the_smallest_float_count_like_others(self) -> None:
        first, second = normal(3, 4).abs(), normal(3, 4, seed=1).abs()
        assert torch.allclose(jensen_shannon(first * 1e-300, second), jensen_shannon(first, second))


class TestFocusShift:
    def test_centres_by_hand(self) -> None:
        maps = torch.tensor([[[1.0, 0.0, 1.0], [0.0, 0.0, 2.0]]])
        assert centres(maps).tolist() == [[0.5, 1.5]]

    def test_fraction_of_the_diagonal(self) -> None:
        first, second = torch.zeros(1, 3, 4), torch.zeros(1, 3, 4)
        first[0, 0, 0] = second[0, 2, 3] = 1
        assert focus_shift(first, second).item() == 1
        assert focus_shift(first, first).item() == 0

    def test_by_hand(self) -> None:
        first, second = torch.zeros(1, 3, 4), torch.zeros(1, 3, 4)
        first[0, 0, 0], second[0, 0, 0], second[0, 2, 0] = 1, 1, 3  # the centre goes 1.5 rows down
        assert focus_shift(first, second).item() == pytest.approx(1.5 / math.hypot(2, 3))
        assert focus_shift(torch.ones(1, 1, 1), torch.ones(1, 1, 1)).item() == 0

    def test_maps_that_went_blank_or_broke_moved_entirely(self) -> None:
        blank, other = torch.zeros(1, 3, 3), torch.ones(1, 3, 3)
        assert focus_shift(blank, other).item() == focus_shift(other, blank).item() == 1
        assert focus_shift(blank, blank).item() == 0
        assert focus_shift(torch.full((1, 3, 3), math.nan), other).item() == 1


def test_relative_change() -> None:
    reference = torch.tensor([3.0, 4.0])
    assert relative_change(reference, reference) == 0
    assert relative_change(torch.tensor([3.0, 5.0]), reference) == pytest.approx(1 / 5)
    assert relative_change(-reference, reference) == pytest.approx(2)
    assert relative_change(reference, torch.zeros(2)) == 1
    assert relative_change(torch.zeros(2), torch.zeros(2)) == 0
    assert relative_change(torch.tensor([math.nan, 0.0]), reference) == 1


def test_pooling_averages_and_leaves_small_maps_alone() -> None:
    maps = torch.tensor([[[[1.0, 3.0], [5.0, 7.0]]]])
    assert pooled(maps, 1).flatten().tolist() == [4.0]
    assert torch.equal(pooled(maps, 7), maps)
