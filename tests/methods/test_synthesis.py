from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from lightning_cnnviz.methods.synthesis import Optimizer, class_prototypes


def two_scores(images: Tensor) -> Tensor:
    """Class 0 scores the one pixel, class 1 nothing: the cross-entropy of class 0 is log(1 + exp(-x))."""
    pixel = images.flatten(1)
    return torch.cat([pixel, torch.zeros_like(pixel)], dim=1)


def best_pixel(mean: float, regularization: float) -> float:
    """Where the cost log(1 + exp(-x)) + regularization (x - mean)² has no slope, by bisection."""
    low, high = mean, mean + 1 / regularization
    for _ in range(200):
        middle = (low + high) / 2
        slope = -1 / (1 + math.exp(middle)) + 2 * regularization * (middle - mean)
        low, high = (middle, high) if slope < 0 else (low, middle)
    return low


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize(("mean", "regularization"), [(0.0, 0.1), (-2.0, 0.5), (3.0, 0.05)])
def test_one_pixel_goes_where_the_cost_has_no_slope(optimizer: Optimizer, mean: float, regularization: float) -> None:
    means = torch.full((1, 1, 1, 1), mean, dtype=torch.float64)
    found = class_prototypes(
        two_scores, torch.tensor([0]), means, regularization=regularization, optimizer=optimizer, steps=300
    )
    x = best_pixel(mean, regularization)
    assert found.images.item() == pytest.approx(x, abs=1e-4)
    assert found.cross_entropy.item() == pytest.approx(math.log1p(math.exp(-x)), rel=1e-4)
    assert found.regularizer.item() == pytest.approx((x - mean) ** 2, rel=1e-3)
    assert found.cost.item() == pytest.approx(math.log1p(math.exp(-x)) + regularization * (x - mean) ** 2, rel=1e-6)


def linear_model() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).double()


def test_each_class_is_optimised_by_itself() -> None:
    model, means = linear_model(), torch.randn(3, 1, 2, 2, dtype=torch.float64)
    together = class_prototypes(model, torch.arange(3), means)
    for index in range(3):
        alone = class_prototypes(model, torch.tensor([index]), means[index : index + 1])
        assert torch.allclose(together.images[index], alone.images[0], atol=1e-3)
        assert together.cost[index].item() == pytest.approx(alone.cost.item(), rel=1e-6)


@pytest.mark.slow
def test_both_optimisers_find_the_same_minimum_of_a_linear_model() -> None:
    model, means = linear_model(), torch.randn(3, 1, 2, 2, dtype=torch.float64)
    newton = class_prototypes(model, torch.arange(3), means)
    adam = class_prototypes(model, torch.arange(3), means, optimizer="adam", steps=800)
    assert torch.allclose(newton.images, adam.images, atol=1e-3)
    assert newton.evaluations < 60 < adam.evaluations


def test_neither_the_means_nor_the_model_are_touched() -> None:
    model, means = linear_model(), torch.randn(3, 1, 2, 2, dtype=torch.float64)
    before = means.clone()
    class_prototypes(model, torch.arange(3), means)
    assert torch.equal(means, before)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_begins_where_it_is_told_to_and_reports_progress() -> None:
    means, start = torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1, 1), 5.0)
    reported: list[tuple[int, int]] = []
    seen: list[float] = []

    def watched(images: Tensor) -> Tensor:
        seen.append(images.item())
        return two_scores(images)

    class_prototypes(
        watched, torch.tensor([0]), means, start=start, optimizer="adam", steps=3, on_step=lambda *s: reported.append(s)
    )
    assert seen[0] == 5.0
    assert reported == [(1, 3), (2, 3), (3, 3)]
