"""Drawing is fast because it is clever; here are the plain ways, and they give the same bytes."""

from __future__ import annotations

import numpy as np
import pytest

from lightning_cnnviz.render import draw_enlarged, draw_maps, lookup_table, overlay, resize
from lightning_cnnviz.render.blocks import Resized, beside, grid, padded, painted, stacked

RANDOM = np.random.default_rng(0)


def plain_cells(maps: np.ndarray, colormap: str, scale: str, symmetric: bool) -> np.ndarray:
    """Maps (K, h, w) without defects colored pixel by pixel."""
    table, cells = lookup_table(colormap), np.zeros((*maps.shape, 3), np.uint8)
    for index, values in enumerate(maps):
        within = maps if scale == "shared" else values
        low, high = float(within.min()), float(within.max())
        if symmetric:
            high = max(-low, high)
            low = -high
        for place in np.ndindex(values.shape):
            unit = min(max((float(values[place]) - low) / (high - low), 0.0), 1.0)
            cells[(index, *place)] = table[int(unit * 255 + 0.5)]
    return cells


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64, np.uint8])
@pytest.mark.parametrize(("scale", "symmetric"), [("each", False), ("shared", False), ("each", True), ("shared", True)])
def test_maps_have_the_colors_of_the_plain_formula(dtype: type, scale: str, symmetric: bool) -> None:
    maps = (100 * RANDOM.random((3, 17, 13))).astype(dtype)
    drawn = draw_maps(maps, colormap="viridis", scale=scale, symmetric=symmetric)
    assert np.array_equal(drawn.cells, plain_cells(maps, "viridis", scale, symmetric))


def test_sound_maps_look_the_same_beside_one_that_is_not() -> None:
    maps = RANDOM.normal(size=(3, 9, 9)).astype(np.float32)
    alone = draw_maps(maps).cells
    maps_with_nan = np.concatenate([maps, np.full((1, 9, 9), np.nan, np.float32)])
    assert np.array_equal(draw_maps(maps_with_nan).cells[:3], alone)


def test_values_beyond_given_limits_have_the_colors_of_the_ends() -> None:
    drawn = draw_maps(np.array([[-5.0, 0.0, 1.0, 2.0, 9.0]]), colormap="gray", limits=(0, 2))
    assert drawn.cells[0, :, 0].tolist() == [0, 0, 128, 255, 255]


@pytest.mark.parametrize("size", [(224, 224), (9, 40), (5, 6)])
def test_a_map_is_enlarged_and_colored_as_by_the_plain_way(size: tuple[int, int]) -> None:
    values = RANDOM.normal(size=(7, 9)).astype(np.float32)
    low, high = float(values.min()), float(values.max()) + 1
    drawn = draw_enlarged(values, size, colormap="gray", limits=(low, high))[..., 0].astype(int)
    enlarged = resize(values, size, smooth=True).astype(np.float64)
    exact = (enlarged - low) / (high - low) * 255
    # A number half-way between two colors may fall to either side, since interpolation is done in float32.
    assert np.abs(drawn - exact).max() <= 0.5 + 1e-4
    assert (drawn == draw_maps(enlarged, colormap="gray", limits=(low, high)).cells[..., 0]).mean() > 0.999


@pytest.mark.parametrize("alpha", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_every_pair_of_bytes_is_mixed_as_by_the_formula(alpha: float) -> None:
    image, heat = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    pictures = [np.repeat(values[..., None], 3, axis=2) for values in (image, heat)]
    expected = np.rint(pictures[0] * (1 - alpha) + pictures[1] * alpha).astype(np.uint8)
    assert np.array_equal(overlay(*pictures, alpha), expected)


@pytest.mark.parametrize("alpha", [0.1, 0.3, 0.35, 0.9, 1 / 3])
def test_weights_without_an_exact_half_differ_at_most_in_how_a_tie_is_rounded(alpha: float) -> None:
    image, heat = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    pictures = [np.repeat(values[..., None], 3, axis=2) for values in (image, heat)]
    exact = pictures[0] * (1 - alpha) + pictures[1] * alpha
    assert np.abs(overlay(*pictures, alpha) - exact).max() <= 0.5 + 1e-4


def block(height: int, width: int) -> np.ndarray:
    return RANDOM.integers(0, 255, (height, width, 3), dtype=np.uint8)  # never white


def test_a_grid_puts_every_block_where_its_row_and_column_begin() -> None:
    a, b, c = block(2, 3), block(4, 5), block(1, 6)
    # Columns of 6 and 5, rows of 4 and 1, with 2 between them.
    expected = np.full((7, 13, 3), 255, np.uint8)
    expected[0:2, 0:3], expected[0:4, 8:13], expected[6:7, 0:6] = a, b, c
    assert np.array_equal(painted(grid([[a, b], [c]], gap=2)), expected)


def test_blocks_beside_each_other_are_centred_or_at_the_top() -> None:
    a, b = block(1, 2), block(5, 3)
    middle, top = np.full((2, 5, 6, 3), 255, np.uint8)
    middle[2:3, 0:2], middle[:, 3:6] = a, b
    top[0:1, 0:2], top[:, 3:6] = a, b
    assert np.array_equal(painted(beside([a, b], gap=1)), middle)
    assert np.array_equal(painted(beside([a, b], gap=1, down=0)), top)


def test_blocks_below_each_other_are_at_the_left() -> None:
    a, b = block(1, 2), block(2, 1)
    expected = np.full((4, 2, 3), 255, np.uint8)
    expected[0:1, 0:2], expected[2:4, 0:1] = a, b
    assert np.array_equal(painted(stacked([a, b], 1)), expected)


def test_blocks_within_blocks_are_where_pasting_one_by_one_puts_them() -> None:
    a, b, c, d = block(2, 3), block(4, 5), block(1, 6), block(3, 2)
    deep = padded(stacked([beside([a, grid([[b], [c]], 1)], 2), d], 3), 20, 30, across=0.25, down=1)
    inner = painted(grid([[b], [c]], 1))
    step_by_step = painted(stacked([painted(beside([a, inner], 2)), d], 3))
    assert np.array_equal(painted(deep), painted(padded(step_by_step, 20, 30, across=0.25, down=1)))


@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (6, 9), (3, 2)])
def test_a_picture_is_resized_in_its_place_as_it_would_be_elsewhere(shape: tuple[int, int], smooth: bool) -> None:
    height, width = shape
    for picture in (block(3, 4), block(7, 9)[::-1, ::2]):
        canvas = painted(padded(Resized(picture, shape, smooth), height + 3, width + 2, across=0.5, down=1))
        expected = np.full_like(canvas, 255)
        expected[3:, 1 : width + 1] = resize(picture, shape, smooth)
        assert np.array_equal(canvas, expected)


def test_padding_adds_white_only_where_it_is_needed() -> None:
    a = block(2, 2)
    assert padded(a, 1, 2) is a
    expected = np.full((5, 4, 3), 255, np.uint8)
    expected[3:5, 1:3] = a
    assert np.array_equal(painted(padded(a, 5, 4, down=1)), expected)
