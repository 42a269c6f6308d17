"""Masks in the colors of their classes over a picture."""

from __future__ import annotations

import numpy as np
import pytest

from lightning_cnnviz.render import Masks, MaskSheet, Row
from lightning_cnnviz.render.masks import class_color, painted_borders, painted_classes, without_color

GREY = np.full((200, 200, 3), 100, np.uint8)  # of a size that is drawn as it is
HALVES = np.repeat(np.array([[[-1, 2]]]), 100, axis=1)  # nothing at the left, class 2 at the right


def test_classes_have_colors_that_are_well_apart_and_stay() -> None:
    colors = np.array([class_color(index) for index in range(60)], float)
    apart = np.abs(colors[:, None] - colors[None]).sum(axis=2) + 999 * np.eye(60)
    assert apart[:13, :13].min() > 60
    assert apart.min() > 0
    assert class_color(7) == class_color(7)


def test_a_class_lies_in_its_color_over_the_picture_and_a_hidden_one_does_not() -> None:
    [[cell]] = Masks(HALVES, alpha=0.5).cells([GREY])
    assert cell.shape == (200, 200, 3)
    assert (cell[:, :100] == 100).all()
    assert np.abs(cell[:, 100:].astype(int) - (np.array(class_color(2)) + 100) // 2).max() <= 1


def test_the_picture_below_loses_its_colors() -> None:
    red = np.zeros((200, 200, 3), np.uint8)
    red[..., 0] = 240
    [[cell]] = Masks(HALVES).cells([red])
    assert (cell[:, :100] == 80).all()
    assert (without_color(red) == 80).all()


def test_a_small_picture_is_enlarged_by_whole_pixels_and_a_large_one_shrunk() -> None:
    assert Masks(HALVES).cells([GREY[:28, :28]])[0][0].shape == (168, 168, 3)
    assert Masks(HALVES).cells([np.zeros((900, 600, 3), np.uint8)])[0][0].shape == (448, 299, 3)


def test_masks_lie_where_the_model_saw_the_picture() -> None:
    wide = np.full((200, 400, 3), 100, np.uint8)
    [[cell]] = Masks(HALVES, alpha=1.0).cells([wide], [(200.0, 0.0, 400.0, 200.0)])
    assert (cell[:, :300] == 100).all()
    assert (cell[:, 300:] == class_color(2)).all()
    [[mirrored]] = Masks(HALVES, alpha=1.0).cells([wide], [(400.0, 0.0, 200.0, 200.0)])
    assert (mirrored[:, 200:300] == class_color(2)).all()


def test_borders_are_lines_around_a_region_in_its_color_with_black_outside() -> None:
    classes = np.full((100, 100), -1)
    classes[20:80, 20:80] = 3
    colors, weights = painted_borders(classes)
    drawn = weights > 0
    assert not drawn[20:80, 20:80].any()  # thin regions stay to be seen
    assert not drawn[:17].any()
    assert drawn[50, 18:20].all()
    assert colors[50, 18:20].tolist() == [[0, 0, 0], list(class_color(3))]
    _, nothing = painted_borders(np.full((50, 50), 1))
    assert not nothing.any()  # the edge of the picture is no border


def test_borders_between_two_classes_lie_inside_of_both() -> None:
    classes = np.repeat(np.array([[1, 2]]), 50, axis=0).repeat(50, axis=1)
    colors, weights = painted_borders(classes)
    assert np.flatnonzero(weights[10]).tolist() == [49, 50]
    assert colors[10, 49:51].tolist() == [list(class_color(1)), list(class_color(2))]


def test_outlines_are_drawn_over_the_predicted_classes() -> None:
    truth = np.full((1, 200, 200), -1)
    truth[0, 50:150, 50:150] = 1
    [[plain]] = Masks(HALVES).cells([GREY])
    [[cell]] = Masks(HALVES, outlined=truth).cells([GREY])
    changed = (plain != cell).any(axis=2)
    assert changed[49, 50:150].all()
    assert not changed[50:150, 50:150].any()
    assert (cell[49, 50:150] == class_color(1)).all()


def test_a_sheet_has_the_classes_in_their_colors_below() -> None:
    rows = (Row(GREY, None, 0),)
    without = MaskSheet(rows, (Masks(HALVES, "predicted"),), "Title").draw()
    drawn = MaskSheet(rows, (Masks(HALVES, "predicted"),), "Title", legend=(("road", 5), ("a car", 8))).draw()
    below = drawn[without.shape[0] :]
    assert drawn.shape[1] == without.shape[1]
    for index in (5, 8):
        assert (below == class_color(index)).all(axis=2).sum() > 100
    assert not (below == class_color(6)).all(axis=2).any()


def test_many_classes_take_several_lines_and_the_rest_is_counted() -> None:
    rows = (Row(GREY, None, 0),)
    entries = tuple((f"class {index}", index) for index in range(100))
    few, many = (MaskSheet(rows, (Masks(HALVES),), legend=entries[:count]).draw() for count in (2, 100))
    assert few.shape[0] < many.shape[0] < 2000
    assert many.shape[1] == few.shape[1]


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"values must have the shape \(N, h, w\), got \(1, 100\)"):
        Masks(HALVES[0, None, :, 0])
    with pytest.raises(ValueError, match=r"outlined must have the shape \(N, h, w\), got \(2, 100, 2\)"):
        Masks(HALVES, outlined=np.repeat(HALVES, 2, axis=0))


def test_colors_and_places_of_classes() -> None:
    colors, weights = painted_classes(np.array([[0, -1, 4]]))
    assert colors.tolist() == [[list(class_color(0)), [0, 0, 0], list(class_color(4))]]
    assert weights.tolist() == [[1, 0, 1]]
