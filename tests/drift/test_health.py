"""Dead channels, duplicate filters and saturation."""

from __future__ import annotations

import math

import pytest
import torch

from lightning_cnnviz.drift.health import dead_channels, duplicate_filters, saturation


def test_a_channel_that_never_changes_is_dead() -> None:
    activations = torch.zeros(3, 4, 2, 2)
    activations[:, 1] = 0.7
    activations[2, 2, 1, 1] = 1e-4
    activations[:, 3] = torch.arange(3.0)[:, None, None]
    assert dead_channels(activations) == 0.5


def test_a_broken_channel_is_dead() -> None:
    activations = torch.rand(3, 2, 2, 2)
    activations[1, 0] = math.nan
    assert dead_channels(activations) == 0.5


def test_copies_are_duplicates_and_opposites_are_not() -> None:
    kernel = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(0))
    other = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(1))
    assert duplicate_filters(torch.stack([kernel, other, 2 * kernel, -kernel, 0.5 * kernel])) == pytest.approx(0.4)
    assert duplicate_filters(torch.zeros(3, 1, 3, 3)) == 0


def test_saturation_counts_both_ends_of_the_range() -> None:
    assert saturation(torch.tensor([0.0, 0.005, 0.5, 0.995, 1.0])) == pytest.approx(0.8)
    assert saturation(torch.tensor([2.0, 2.0])) == 1
    assert saturation(torch.tensor([0.0, 0.5, 1.0, math.nan])) == pytest.approx(0.75)
