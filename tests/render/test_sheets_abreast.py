"""Sheets of many samples, whose rows lie abreast."""

from __future__ import annotations

import numpy as np
import pytest

from lightning_cnnviz.render import Bar, BarSheet, Caption, Row, sheet
from lightning_cnnviz.render.text import RIGHT
from tests.helpers.pictures import box, flat, has


def places(picture: np.ndarray, colors: list[tuple[int, int, int]]) -> list[tuple[int, int]]:
    return [box(picture, color)[:2] for color in colors]


def test_many_samples_lie_abreast_in_reading_order_each_with_its_caption_and_cells() -> None:
    colors = [(0, 100 + index, 0) for index in range(32)]
    samples, cells = [flat(color) for color in colors], [[flat((50 + index, 0, 0))] for index in range(32)]
    captions = [Caption(("7", "98%"), True)] * 32
    picture = sheet(samples, captions, cells, columns=["map"])
    assert picture.shape[0] <= 3000
    assert picture.shape[1] <= 1000
    found = places(picture, colors)
    abreast = sum(top == found[0][0] for top, _ in found)
    assert abreast > 1
    assert found == sorted(found), "from left to right, then down"
    assert found[0][0] == found[abreast - 1][0] < found[abreast][0]
    for index, (top, left) in enumerate(found):
        _, _, height, width = box(picture, colors[index])
        assert width >= 80
        assert box(picture, (50 + index, 0, 0)) == (top, left + width + 8, height, width)
    first, second = found[0], found[1]
    assert has(picture[: first[0], first[1] : second[1] - 24], RIGHT)
    assert has(picture[: second[0], second[1] :], RIGHT)


@pytest.mark.parametrize(("count", "cells"), [(8, 2), (12, 2), (16, 12)])
def test_samples_stand_below_each_other_where_they_are_few_or_their_cells_would_be_too_narrow(
    count: int, cells: int
) -> None:
    colors = [(0, 100 + index, 0) for index in range(count)]
    picture = sheet([flat(color) for color in colors], None, [[flat((50, 0, 0))] * cells] * count)
    assert {left for _, left in places(picture, colors)} == {16}


def test_a_sheet_that_lies_abreast_leaves_out_the_last_samples_of_very_many() -> None:
    colors = [(1 + index // 250, 2, index % 250) for index in range(500)]
    picture = sheet([flat(color, 8, 8) for color in colors], None, [[flat((0, 0, 0), 8, 8)]] * 500)
    assert 5000 < picture.shape[0] < 5400
    drawn = {(red, 2, blue) for red, blue in np.unique(picture[picture[..., 1] == 2][:, [0, 2]], axis=0).tolist()}
    assert 100 < len(drawn) < 500
    assert drawn == set(colors[: len(drawn)])


@pytest.mark.parametrize(("name", "abreast"), [("7", True), ("a name that is too long for half of a sheet", False)])
def test_bars_of_many_samples_lie_abreast_where_their_names_fit(name: str, abreast: bool) -> None:
    colors = [(0, 100 + index, 0) for index in range(20)]
    rows = tuple(Row(flat(color), None, index) for index, color in enumerate(colors))
    charts = tuple((Bar(name, 0.9, "90%"),) * 3 for _ in rows)
    picture = BarSheet(rows, charts).draw()
    found = places(picture, colors)
    assert found == sorted(found)
    assert (len({left for _, left in found}) > 1) is abreast
    assert 996 <= picture.shape[1] <= 1000
    few = BarSheet(rows[:8], charts[:8]).draw()
    assert {left for _, left in places(few, colors[:8])} == {16}
