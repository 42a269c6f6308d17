"""Where attention lies: borders, spread, regions."""

from __future__ import annotations

import math

import pytest
import torch

from lightning_cnnviz.drift.shortcuts import attention_in_region, border_share, centre_spread, entropy


def test_an_even_map() -> None:
    maps = torch.full((2, 7, 7), 0.3)
    assert border_share(maps) == pytest.approx(24 / 49)
    assert entropy(maps) == pytest.approx(1)
    assert centre_spread(maps) == pytest.approx(0, abs=1e-7)


def test_a_single_pixel() -> None:
    maps = torch.zeros(1, 7, 7)
    maps[0, 3, 3] = 5
    assert (border_share(maps), entropy(maps)) == (0, 0)
    maps = maps.roll(3, dims=1)
    assert border_share(maps) == 1


def test_the_border_is_an_eighth_of_the_side() -> None:
    maps = torch.zeros(2, 16, 16)
    maps[0, 1, 8] = maps[1, 2, 8] = 1
    assert border_share(maps) == 0.5


def test_spread_of_two_places() -> None:
    maps = torch.zeros(2, 3, 4)
    maps[0, 0, 0] = maps[1, 2, 0] = 1
    assert centre_spread(maps) == pytest.approx(1 / math.hypot(2, 3))
    maps[1, 2] = torch.tensor([0.0, 0.0, 0.0, 1.0])
    assert centre_spread(maps) == pytest.approx(0.5)


def test_each_map_counts_the_same_and_blank_ones_do_not() -> None:
    maps = torch.zeros(3, 5, 5)
    maps[0, 0, 0], maps[1, 2, 2] = 100, 1
    assert border_share(maps) == 0.5
    assert border_share(torch.zeros(2, 5, 5)) == entropy(torch.zeros(2, 5, 5)) == 0


def test_attention_in_region_by_hand() -> None:
    maps = torch.tensor([[[1.0, 2.0], [3.0, 2.0]]] * 3)
    maps[2] = 0
    regions = torch.zeros(3, 4, 4, dtype=torch.bool)
    regions[0, :2, :2] = True  # the whole of the first pixel of the map
    regions[0, 2:, :1] = True  # half of the third
    found = attention_in_region(maps, regions)
    assert found[0].item() == pytest.approx((1 + 1.5) / 8)
    assert found[1:].isnan().all()  # no region, no attention


def test_attention_of_maps_finer_than_their_region() -> None:
    maps = torch.tensor([[[1.0, 2.0], [3.0, 2.0]]])
    assert attention_in_region(maps, torch.ones(1, 1, 1, dtype=torch.bool)).item() == 1
