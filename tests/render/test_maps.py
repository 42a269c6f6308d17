from __future__ import annotations

import cv2
import numpy as np
import pytest

from lightning_cnnviz.render import draw_maps, overlay, resize

GRAY = "gray"  # level and color are the same number
MAGENTA, BLACK = [255, 0, 255], [0, 0, 0]


def levels(cells: np.ndarray) -> list[list[int]]:
    return cells[..., 0].tolist()


def test_each_map_runs_through_all_colors() -> None:
    drawn = draw_maps([[[0.0, 1.0]], [[-3.0, 7.0]]], colormap=GRAY)
    assert levels(drawn.cells) == [[[0, 255]], [[0, 255]]]
    assert drawn.limits.tolist() == [[0, 1], [-3, 7]]
    assert drawn.defects == {}


def test_a_shared_scale_keeps_magnitudes_comparable() -> None:
    drawn = draw_maps([[[0.0, 1.0]], [[2.0, 5.0]]], colormap=GRAY, scale="shared")
    assert levels(drawn.cells) == [[[0, 51]], [[102, 255]]]
    assert drawn.limits.tolist() == [[0, 5], [0, 5]]


def test_a_symmetric_scale_puts_zero_in_the_middle() -> None:
    each = draw_maps([[[0.0, 4.0]], [[-2.0, 0.0]]], colormap=GRAY, symmetric=True)
    assert levels(each.cells) == [[[128, 255]], [[0, 128]]]
    assert each.limits.tolist() == [[-4, 4], [-2, 2]]
    shared = draw_maps([[[0.0, 4.0]], [[-2.0, 0.0]]], colormap=GRAY, symmetric=True, scale="shared")
    assert levels(shared.cells) == [[[128, 255]], [[64, 128]]]


def test_colors_are_those_of_the_table() -> None:
    cells = draw_maps([[0.0, 1.0]], colormap="viridis").cells
    assert cells.tolist() == [[[68, 1, 84], [253, 231, 37]]]


def test_a_map_without_contrast_is_flat_and_named() -> None:
    drawn = draw_maps(np.stack([np.zeros((2, 2)), np.full((2, 2), 0.31)]), colormap=GRAY)
    assert levels(drawn.cells) == [[[0, 0], [0, 0]], [[128, 128], [128, 128]]]
    assert drawn.defects == {(0,): "all 0", (1,): "constant 0.31"}


def test_float_rounding_is_not_blown_up_to_full_contrast() -> None:
    noise = np.float32(5) + np.float32(1e-6) * np.arange(4, dtype=np.float32).reshape(2, 2)
    assert np.ptp(noise) > 0
    for scale in ("each", "shared"):
        drawn = draw_maps(noise, colormap=GRAY, scale=scale)
        assert levels(drawn.cells) == [[128, 128], [128, 128]]
        assert drawn.defects == {(): "constant 5"}


def test_small_values_with_real_contrast_are_not_constant() -> None:
    drawn = draw_maps([[1e-30, 2e-30]], colormap=GRAY)
    assert levels(drawn.cells) == [[0, 255]]
    assert drawn.defects == {}


def test_a_constant_map_keeps_its_place_on_a_shared_or_symmetric_scale() -> None:
    shared = draw_maps([[[1.0, 1.0]], [[0.0, 5.0]]], colormap=GRAY, scale="shared")
    assert levels(shared.cells) == [[[51, 51]], [[0, 255]]]
    assert shared.defects == {(0,): "constant 1"}
    symmetric = draw_maps([[[0.0, 0.0]], [[-2.0, -2.0]]], colormap=GRAY, symmetric=True)
    assert levels(symmetric.cells) == [[[128, 128]], [[0, 0]]]


def test_values_that_are_not_finite_are_marked_and_leave_the_others_alone() -> None:
    drawn = draw_maps([[0.0, np.nan, 1.0, 2.0], [np.inf, 2.0, 2.0, 2.0]], colormap=GRAY)
    assert drawn.cells[0].tolist() == [[0] * 3, MAGENTA, [128] * 3, [255] * 3]
    assert drawn.cells[1, 0].tolist() == MAGENTA
    assert drawn.limits.tolist() == [0, 2]
    assert drawn.defects == {(): "12% NaN, 12% Inf"}


def test_an_area_that_is_not_finite_is_chequered() -> None:
    drawn = draw_maps(np.full((1, 3, 2, 2), -np.inf), colormap=GRAY)
    assert drawn.cells[0, 2].tolist() == [[MAGENTA, BLACK], [BLACK, MAGENTA]]
    assert np.isnan(drawn.limits).all()
    assert drawn.defects == {(0, channel): "Inf" for channel in range(3)}


def test_the_share_that_is_not_finite_is_never_rounded_to_none_or_all() -> None:
    values = np.arange(1000.0).reshape(2, 20, 25)
    values[0, 0, 0] = np.nan
    values[1].flat[1:] = np.nan
    assert draw_maps(values).defects == {(0,): "1% NaN", (1,): "99% NaN, rest constant 500"}


def test_one_bad_map_does_not_poison_a_shared_scale() -> None:
    drawn = draw_maps([[[np.nan, np.nan]], [[0.0, 5.0]]], colormap=GRAY, scale="shared")
    assert drawn.limits.tolist() == [[0, 5], [0, 5]]
    assert levels(drawn.cells)[1] == [[0, 255]]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64, np.uint8, np.bool_])
def test_any_real_dtype_is_drawn_and_left_unchanged(dtype: type) -> None:
    values = np.array([[0, 1]], dtype=dtype)
    assert levels(draw_maps(values, colormap=GRAY).cells) == [[0, 255]]
    assert values.tolist() == [[0, 1]]


def test_no_maps_make_no_cells() -> None:
    for scale in ("each", "shared"):
        assert draw_maps(np.zeros((0, 4, 5)), scale=scale).cells.shape == (0, 4, 5, 3)


def test_what_is_no_map_is_refused() -> None:
    with pytest.raises(ValueError, match=r"values must be maps .* got \(2, 0, 3\)"):
        draw_maps(np.zeros((2, 0, 3)))
    with pytest.raises(ValueError, match=r"values must be maps .* got \(3,\)"):
        draw_maps(np.zeros(3))
    with pytest.raises(TypeError, match=r"values must be real .* complex128"):
        draw_maps(np.zeros((2, 2), dtype=complex))
    with pytest.raises(ValueError, match="scale must be 'each' or 'shared', got 'global'"):
        draw_maps(np.zeros((2, 2)), scale="global")  # type: ignore[arg-type]


def test_an_overlay_mixes_by_its_weight() -> None:
    image, heat = np.full((1, 1, 3), 100, np.uint8), np.array([[[0, 200, 255]]], np.uint8)
    assert overlay(image, heat).tolist() == [[[50, 150, 178]]]
    assert overlay(image, heat, 0.25).tolist() == [[[75, 125, 139]]]
    assert overlay(image, heat, 0).tolist() == image.tolist()
    assert overlay(image, heat, 1).tolist() == heat.tolist()
    assert image.tolist() == [[[100, 100, 100]]]


def test_an_overlay_of_other_sizes_or_weights_is_refused() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match=r"heat must have the shape of image \(4, 4, 3\), got \(7, 7, 3\)"):
        overlay(image, np.zeros((7, 7, 3), np.uint8))
    with pytest.raises(ValueError, match="alpha must lie between 0 and 1, got 2"):
        overlay(image, image, 2)


def test_opencv_keeps_its_threads() -> None:
    before = cv2.getNumThreads()
    draw_maps(np.zeros((2, 2)))
    resize(np.zeros((2, 2)), (4, 4), smooth=True)
    assert cv2.getNumThreads() == before
