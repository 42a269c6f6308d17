from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from lightning_cnnviz import Filters, explain
from lightning_cnnviz.render import lookup_table


def model_with(kernels: torch.Tensor) -> nn.Module:
    """A first convolution with these kernels (out, in, kh, kw), then one that must not be taken for it."""
    out, channels, height, width = kernels.shape
    first = nn.Conv2d(channels, out, (height, width), bias=False)
    with torch.no_grad():
        first.weight.copy_(kernels)
    return nn.Sequential(first, nn.Conv2d(out, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def filters(kernels: torch.Tensor, **options: object) -> tuple[np.ndarray, torch.Tensor]:
    found = explain(model_with(kernels), torch.rand(1, kernels.shape[1], 8, 8), [Filters(**options)])
    assert list(found.pictures) == list(found.arrays) == ["filters/0"]
    return found.pictures["filters/0"], found.arrays["filters/0"]


def area(picture: np.ndarray, color: tuple[int, int, int]) -> int:
    """Thousands of pixels of a color: letters, their soft edges and the color bar are grey, too, but small."""
    return round(int((picture == color).all(axis=-1).sum()) / 1000)


def grey(level: int) -> tuple[int, int, int]:
    return level, level, level


KERNELS = torch.tensor([[[[1.0, 0.0]]], [[[-1.0, 0.5]]]])


def test_the_array_is_the_weights_of_the_first_convolution() -> None:
    _, weights = filters(KERNELS)
    assert torch.equal(weights, KERNELS)


def test_zero_is_mid_grey_and_all_share_one_scale() -> None:
    picture, _ = filters(KERNELS)
    areas = [area(picture, grey(level)) for level in (128, 191, 0)]  # 0, 0.5 and -1; white is the paper, too
    assert areas[1] == areas[2] > 0
    assert areas[1] - 1 <= areas[0] <= areas[1], "a thin line goes around the kernel that is white at an edge"


def test_each_filter_can_have_a_scale_of_its_own() -> None:
    halved = KERNELS * torch.tensor([1.0, 0.1]).reshape(2, 1, 1, 1)
    shared, _ = filters(halved)
    each, _ = filters(halved, scale="each")
    assert area(shared, grey(0)) == 0
    assert area(each, grey(0)) == area(each, grey(191)) > 0


def test_kernels_over_three_channels_are_drawn_in_color() -> None:
    picture, weights = filters(torch.tensor([1.0, 0.0, -1.0]).reshape(1, 3, 1, 1))
    assert area(picture, (255, 128, 0)) > 0
    assert weights.shape == (1, 3, 1, 1)


def test_of_other_kernels_the_length_over_all_channels_is_drawn() -> None:
    # Two filters over two channels, 1×2 pixels: lengths 1 and 0.6, then 0.2 and 0; 255 · 0.6 = 153 and so on.
    kernels = torch.tensor([[[-0.6, 0.6], [0.8, 0.0]], [[0.2, 0.0], [0.0, 0.0]]]).reshape(2, 2, 1, 2)
    table = lookup_table("viridis")
    picture, weights = filters(kernels)
    areas = [area(picture, tuple(table[level].tolist())) for level in (255, 153, 51, 0)]
    assert areas == [areas[0]] * 4
    assert areas[0] > 0
    assert weights.shape == (2, 2, 1, 2)
    in_grey, _ = filters(kernels, colormap="gray")
    areas = [area(in_grey, grey(level)) for level in (153, 51, 0)]  # 1 is white, as is the paper
    assert areas[1] == areas[2] > 0
    assert areas[1] - 1 <= areas[0] <= areas[1], "a thin line goes around the kernel that is white at an edge"


def test_the_scale_of_filters_only_ever_widens_and_is_kept() -> None:
    view = Filters()
    first, second = (torch.tensor([size, -size]).reshape(2, 1, 1, 1) for size in (1.0, 0.5))
    explain(model_with(first), torch.rand(1, 1, 8, 8), [view])
    resumed = Filters()
    resumed.load_state_dict(view.state_dict())
    for one in (view, resumed):
        picture = explain(model_with(second), torch.rand(1, 1, 8, 8), [one]).pictures
        assert area(next(iter(picture.values())), grey(191)) > 0  # (0.5 + 1) / 2 · 255
        assert area(next(iter(picture.values())), grey(64)) > 0


def test_no_more_are_drawn_than_asked_for_but_all_are_in_the_array() -> None:
    kernels = torch.tensor([-1.0, 0.6, -0.6]).reshape(3, 1, 1, 1)
    picture, weights = filters(kernels, filters=2)
    assert area(picture, grey(0)) > 0
    assert area(picture, grey(204)) > 0
    assert area(picture, grey(51)) == 0
    assert len(weights) == 3


def test_a_layer_can_be_named() -> None:
    found = explain(model_with(KERNELS), torch.rand(1, 1, 8, 8), [Filters("1")])
    assert {tag: tuple(weights.shape) for tag, weights in found.arrays.items()} == {"filters/1": (2, 2, 1, 1)}


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="filters must be a positive integer, got -1"):
        Filters(filters=-1)
    with pytest.raises(ValueError, match="scale='all'"):
        Filters(scale="all")  # type: ignore[arg-type]
