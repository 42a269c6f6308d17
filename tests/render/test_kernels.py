from __future__ import annotations

import numpy as np
import pytest

from lightning_cnnviz.render import draw_rgb_kernels

MAGENTA, BLACK = [255, 0, 255], [0, 0, 0]


def kernels(*weights: tuple[float, float, float]) -> np.ndarray:
    """One-pixel kernels from their weights for red, green and blue."""
    return np.array(weights, np.float32)[:, :, None, None]


def test_each_weight_pushes_its_own_color_away_from_grey() -> None:
    drawn = draw_rgb_kernels(kernels((1, 0, -1)))
    assert drawn.cells.tolist() == [[[[255, 128, 0]]]]
    assert drawn.limits.tolist() == [[-1, 1]]
    assert drawn.defects == {}


def test_pixels_stay_where_they_are() -> None:
    kernel = np.zeros((1, 3, 2, 3), np.float32)
    kernel[0, 0, 0, 1], kernel[0, 2, 1, 2] = 2, -2
    cells = draw_rgb_kernels(kernel).cells[0]
    assert cells[0].tolist() == [[128, 128, 128], [255, 128, 128], [128, 128, 128]]
    assert cells[1].tolist() == [[128, 128, 128], [128, 128, 128], [128, 128, 0]]


def test_a_shared_scale_compares_kernels_and_each_its_own_does_not() -> None:
    both = kernels((1, 0, -1), (0.5, 0, 0))
    # (0.5 + 1) / 2 · 255 = 191.25
    assert draw_rgb_kernels(both).cells[1].tolist() == [[[191, 128, 128]]]
    assert draw_rgb_kernels(both, scale="each").cells[1].tolist() == [[[255, 128, 128]]]
    assert draw_rgb_kernels(both, scale="each").limits.tolist() == [[-1, 1], [-0.5, 0.5]]


def test_a_kernel_of_zeros_is_grey_and_named() -> None:
    drawn = draw_rgb_kernels(kernels((0, 0, 0), (1, 0, 0)))
    assert drawn.cells[0].tolist() == [[[128, 128, 128]]]
    assert drawn.defects == {(0,): "all 0"}


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_kernel_that_is_not_finite_is_marked_and_leaves_the_others_alone(bad: float) -> None:
    drawn = draw_rgb_kernels(kernels((bad, bad, bad), (1, 0, -1)))
    assert drawn.cells[0, 0, 0].tolist() in (MAGENTA, BLACK)
    assert drawn.cells[1].tolist() == [[[255, 128, 0]]]
    assert list(drawn.defects) == [(0,)]


def test_the_weights_are_left_unchanged() -> None:
    weights = kernels((1, 0, -1))
    draw_rgb_kernels(weights)
    assert weights.ravel().tolist() == [1, 0, -1]
