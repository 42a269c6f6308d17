"""Gradient attributions against functions whose gradients and integrals are known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lightning_cnnviz.methods.gradients import integrated_gradients, reduce_channels, smoothgrad, without_peaks

GRADIENT = torch.tensor([[[[3.0, -1.0]], [[-4.0, -2.0]]]])
WEIGHT = torch.tensor([[[1.0, -2.0], [0.5, 3.0]]])


def _linear(images: Tensor) -> Tensor:
    return (images * WEIGHT).flatten(1).sum(dim=1) + 5


@pytest.mark.parametrize(
    ("reduction", "expected"),
    [
        ("absolute", [4.0, 2.0]),
        ("squared", [25.0, 5.0]),
        ("positive", [3.0, 0.0]),
        ("negative", [4.0, 2.0]),
        ("signed", [-1.0, -3.0]),
        ("grey", [7.0, 3.0]),
    ],
)
def test_reduction(reduction: str, expected: list[float]) -> None:
    assert reduce_channels(GRADIENT, reduction).tolist() == [[expected]]  # type: ignore[arg-type]


def test_peaks_are_cut_at_a_hundredth_of_each_sample() -> None:
    ramp = torch.arange(1.0, 1001.0).reshape(1, 1, 20, 50)
    found = without_peaks(torch.cat([ramp, -10 * ramp]))
    assert found[0].max() == 990
    assert found[1].min() == -9900
    assert found[0].flatten()[:990].equal(ramp.flatten()[:990])


def test_a_lone_pixel_is_no_peak() -> None:
    lone = torch.zeros(1, 1, 20, 20)
    lone[0, 0, 3, 4] = -5.0
    assert without_peaks(lone).equal(lone)


def test_values_that_are_not_finite_stay() -> None:
    values = torch.tensor([[2.0, -2.0, float("nan"), float("inf"), -float("inf"), 0.0]])
    torch.testing.assert_close(without_peaks(values), values, equal_nan=True)


def test_smoothgrad_of_a_linear_function_is_its_weights() -> None:
    found = smoothgrad(_linear, torch.rand(3, 1, 2, 2), noise=0.5, draws=7)
    torch.testing.assert_close(found, WEIGHT.expand(3, 1, 2, 2))


def test_smoothgrad_without_noise_is_the_gradient() -> None:
    images = torch.randn(3, 1, 2, 2)
    torch.testing.assert_close(smoothgrad(_cubic, images, noise=0.0, draws=40), 3 * images.square())


def _cubic(images: Tensor) -> Tensor:
    return images.pow(3).flatten(1).sum(dim=1)


def test_the_noise_of_smoothgrad_is_a_share_of_the_range_of_each_image() -> None:
    # The gradient of x³ is 3x²; averaged over x + e with standard deviation s it is 3 (x² + s²). Ranges are 4 and 8.
    images = torch.tensor([[[[0.0, 4.0]]], [[[0.0, 8.0]]]])
    found = smoothgrad(_cubic, images, noise=0.25, draws=20000)[:, 0, 0, 0]
    torch.testing.assert_close(found, 3 * torch.tensor([1.0, 4.0]), rtol=0.05, atol=0)


def test_smoothgrad_repeats_itself_and_leaves_the_global_generator_alone() -> None:
    images, state = torch.randn(2, 1, 4, 4), torch.get_rng_state()
    first = smoothgrad(_cubic, images)
    assert torch.get_rng_state().equal(state)
    torch.rand(3)
    assert smoothgrad(_cubic, images).equal(first)


def test_smoothgrad_of_a_sample_does_not_depend_on_the_others() -> None:
    images = torch.randn(5, 1, 4, 4)
    torch.testing.assert_close(smoothgrad(_cubic, images)[2:3], smoothgrad(_cubic, images[2:3]))


@pytest.mark.parametrize("samples", [1, 3, 32, 40])
def test_versions_come_in_batches_of_whole_sample_sets(samples: int) -> None:
    sizes: list[int] = []
    steps: list[tuple[int, int]] = []

    def scores(images: Tensor) -> Tensor:
        sizes.append(len(images))
        return _linear(images)

    smoothgrad(scores, torch.rand(samples, 1, 2, 2), draws=10, on_step=lambda done, total: steps.append((done, total)))
    assert all(size % samples == 0 and size <= max(32, samples) for size in sizes)
    assert sum(sizes) == 10 * samples
    assert steps[-1] == (10, 10)


def test_integrated_gradients_of_a_linear_function_is_its_share() -> None:
    images, baseline = torch.rand(2, 1, 2, 2), torch.full((1, 1, 1, 1), 0.25)
    found = integrated_gradients(_linear, images, baseline, steps=1)
    torch.testing.assert_close(found.values, (images - 0.25) * WEIGHT)
    torch.testing.assert_close(found.differences, _linear(images) - _linear(baseline.expand(1, 1, 2, 2)))
    assert found.gap < 1e-6


def test_integrated_gradients_of_a_square_is_exact_with_one_point() -> None:
    # The gradient is linear along the path: its value half-way is its mean.
    images = torch.tensor([[[[3.0, -2.0]]]])
    found = integrated_gradients(lambda x: x.square().flatten(1).sum(dim=1), images, torch.zeros(1, 1, 1, 1), steps=1)
    assert found.values.tolist() == [[[[9.0, 4.0]]]]


def test_the_gap_is_the_share_that_the_attributions_miss() -> None:
    # ReLU(x - 1) from 0 to 4: four points at 0.5, 1.5, 2.5 and 3.5 give gradients 0, 1, 1, 1: exactly 3.
    # Two points at 1 and 3 give 0 (ReLU's derivative at 0) and 1: 2 instead of 3.
    def scores(images: Tensor) -> Tensor:
        return (images - 1).relu().flatten(1).sum(dim=1)

    image, baseline = torch.full((1, 1, 1, 1), 4.0), torch.zeros(1, 1, 1, 1)
    assert integrated_gradients(scores, image, baseline, steps=4).gap == 0
    coarse = integrated_gradients(scores, image, baseline, steps=2)
    assert coarse.values.item() == 2
    assert coarse.gap == pytest.approx(1 / 3)


def test_integrated_gradients_where_nothing_changes_is_zero_and_complete() -> None:
    image = torch.rand(1, 1, 2, 2)
    found = integrated_gradients(_cubic, image, image)
    assert not found.values.any()
    assert found.gap == 0


@pytest.mark.parametrize("method", [smoothgrad, lambda f, x: integrated_gradients(f, x, torch.zeros(1, 1, 1, 1))])
def test_scores_that_do_not_depend_on_the_images(method: object) -> None:
    with pytest.raises(ValueError, match="does not depend on the images"):
        method(lambda images: _linear(images.detach()), torch.rand(2, 1, 2, 2))  # type: ignore[operator]
