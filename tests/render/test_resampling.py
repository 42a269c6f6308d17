from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lightning_cnnviz.render import resize
from lightning_cnnviz.render.resampling import smoothed, within


@pytest.mark.parametrize(("size", "new_size"), [((7, 7), (224, 224)), ((7, 5), (31, 112)), ((1, 1), (6, 4))])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_smooth_enlarging_equals_bilinear_interpolation_in_torch(
    size: tuple[int, int], new_size: tuple[int, int], dtype: type
) -> None:
    maps = np.random.default_rng(0).normal(size=(2, 3, *size)).astype(dtype)
    expected = F.interpolate(torch.from_numpy(maps), size=new_size, mode="bilinear", align_corners=False)
    resized = resize(maps, new_size, smooth=True)
    assert resized.dtype == dtype
    np.testing.assert_allclose(resized, expected.numpy(), atol=1e-5)


def test_nearest_repeats_pixels() -> None:
    assert resize(np.array([[1.0, 2.0]]), (2, 4), smooth=False).tolist() == [[1, 1, 2, 2], [1, 1, 2, 2]]
    picture = np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)
    assert resize(picture, (1, 4), smooth=False).tolist() == [[[1, 2, 3], [1, 2, 3], [4, 5, 6], [4, 5, 6]]]
    assert resize(picture[None, None], (3, 6), smooth=False).shape == (1, 1, 3, 6, 3)


def test_smooth_shrinking_averages() -> None:
    edges = np.array([[1, 0, 0, 0, 0, 0, 0, 0.5]] * 4, np.float32)
    assert resize(edges, (1, 2), smooth=True).tolist() == [[0.25, 0.125]]


def test_a_nan_stays_local() -> None:
    values = np.zeros((7, 7), np.float32)
    values[3, 3] = np.nan
    rows, columns = np.nonzero(np.isnan(resize(values, (28, 28), smooth=True)))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (10, 17, 10, 17)


def test_resizing_what_is_neither_picture_nor_map_is_refused() -> None:
    with pytest.raises(TypeError, match="got dtype int64"):
        resize(np.zeros((2, 2), np.int64), (4, 4), smooth=True)
    with pytest.raises(ValueError, match=r"uint8 must have the shape \(..., h, w, 3\), got \(2, 2\)"):
        resize(np.zeros((2, 2), np.uint8), (4, 4), smooth=True)
    with pytest.raises(ValueError, match=r"size must be .* got \(0, 4\)"):
        resize(np.zeros((2, 2)), (0, 4), smooth=True)


def test_smoothing_leaves_an_even_map_even_up_to_its_borders() -> None:
    assert smoothed(np.full((2, 9, 5), 3.0), 2.0) == pytest.approx(np.full((2, 9, 5), 3.0))


def test_smoothing_spreads_a_point_as_a_gaussian_does() -> None:
    maps = np.zeros((1, 9, 9), np.float32)
    maps[0, 4, 4] = 1
    weights = np.exp(-(np.arange(-4, 5) ** 2) / 2)
    weights[[0, -1]] = 0  # beyond three standard deviations
    weights /= weights.sum()
    inside = np.array([weights[max(0, 4 - i) : 13 - i].sum() for i in range(9)])  # of the weights around each place
    assert smoothed(maps, 1.0)[0] == pytest.approx(np.outer(weights / inside, weights / inside), abs=1e-6)


def test_too_little_smoothing_is_none() -> None:
    maps = np.eye(3)[None]
    assert smoothed(maps, 0.4) is maps


@pytest.mark.parametrize(
    ("size", "new_size"), [((30, 60), (20, 40)), ((40, 10), (40, 10)), ((1, 1000), (1, 40)), ((2000, 2), (40, 1))]
)
def test_no_side_is_longer_than_wanted_and_none_vanishes(size: tuple[int, int], new_size: tuple[int, int]) -> None:
    picture = np.full((*size, 3), 7, np.uint8)
    assert within(picture, 40).shape == (*new_size, 3)
    assert (within(picture, 40) == 7).all()
