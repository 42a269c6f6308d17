"""How large cells are: square ones, flat ones, tall ones, few and many."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from lightning_cnnviz.render import (
    Bar,
    BarSheet,
    Caption,
    Card,
    FilmStrip,
    Frame,
    Images,
    Row,
    Sheet,
    Tiles,
    sheet,
    tiles,
)
from lightning_cnnviz.render.blocks import painted
from lightning_cnnviz.render.geometry import MARGIN, balanced_columns, cell_width, paragraph, text_size
from lightning_cnnviz.render.text import DARK, RIGHT, text_block, text_width
from tests.helpers.pictures import Color, flat, has


@pytest.mark.parametrize(
    ("count", "columns"), [(1, 1), (2, 2), (3, 3), (4, 2), (6, 3), (10, 5), (16, 4), (32, 8), (64, 8), (96, 12)]
)
def test_columns_fill_the_rows_of_square_tiles(count: int, columns: int) -> None:
    assert balanced_columns(count, 1.0) == columns


def test_flat_tiles_go_below_each_other() -> None:
    assert balanced_columns(8, 1 / 16) == 1
    assert balanced_columns(8, 16) == 8


@pytest.mark.parametrize(
    ("room", "native", "width"),
    [(120, 28, 112), (500, 28, 224), (96, 32, 96), (120, 224, 112), (96, 28, 84), (80, 28, 80), (0.3, 28, 1)],
)
def test_cells_are_a_multiple_or_part_of_the_sample_where_one_is_near(room: float, native: int, width: int) -> None:
    assert cell_width(room, flat((0, 0, 0), native, native)) == width


GREEN: Color = (0, 200, 0)
Lying = tuple[int, int]


def green_cells(picture: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Top, left, height and width of each green rectangle."""
    _, _, found, _ = cv2.connectedComponentsWithStats((picture == GREEN).all(axis=2).astype(np.uint8))
    return [(int(top), int(left), int(height), int(width)) for left, top, width, height, _ in found[1:]]


@pytest.mark.parametrize(
    ("shape", "columns", "at_least"), [((64, 64), 8, 80), ((64, 200), 4, 48), ((64, 512), 1, 48), ((32, 1024), 1, 30)]
)
def test_many_cells_of_a_strip_take_several_lines_rather_than_become_slits(
    shape: Lying, columns: int, at_least: int
) -> None:
    drawn = sheet([flat((10, 10, 10), *shape)], None, [[flat(GREEN, *shape)] * 8], columns=["ch 7"] * 8)
    cells = green_cells(drawn)
    assert len(cells) == 8
    assert len({left for _, left, _, _ in cells}) == columns
    assert min(height for _, _, height, _ in cells) >= at_least
    assert drawn.shape[1] <= 1000


def test_cells_that_fit_beside_no_sample_stand_below_it_with_its_caption_above() -> None:
    shape, blue = (32, 1024), (0, 0, 200)
    caption = Caption(("bee", "98%", "true bee"), True)
    drawn = sheet([flat(blue, *shape)] * 2, [caption] * 2, [[flat(GREEN, *shape)]] * 2, columns=["map"])
    rows = np.flatnonzero((drawn == blue).all(axis=2).any(axis=1))
    first, second = (run[[0, -1]].tolist() for run in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1))
    tops = [top for top, *_ in green_cells(drawn)]
    assert first[1] < tops[0] < second[0] < tops[1]
    assert has(drawn[: first[0]], RIGHT), "the caption"
    assert (drawn[first[1] + 1 : tops[0]] < 100).any(), "the heading"


def test_of_many_flat_samples_some_are_left_out_and_that_is_said() -> None:
    shape = (32, 1024)
    cells = [[flat(GREEN, *shape)] * 8 for _ in range(32)]
    samples = [flat((10, 10, 10), *shape)] * 32
    drawn = sheet(samples, None, cells, columns=["ch 7"] * 8)
    assert drawn.shape[0] <= 5600
    assert len(green_cells(drawn)) % 8 == 0
    assert 1 < len(green_cells(drawn)) / 8 < 32
    assert (drawn[-40:] < 200).any(), "the footer"


@pytest.mark.parametrize(("shape", "at_least"), [((1024, 32), 20), ((200, 20), 48), ((200, 64), 48)])
def test_tall_cells_are_no_slits_either(shape: Lying, at_least: int) -> None:
    drawn = sheet([flat((10, 10, 10), *shape)], None, [[flat(GREEN, *shape)] * 8])
    assert min(width for *_, width in green_cells(drawn)) >= at_least
    assert drawn.shape[0] <= 700


@pytest.mark.parametrize("shape", [(32, 1024), (64, 512), (64, 200)])
def test_no_kind_of_picture_makes_slits_of_flat_samples(shape: Lying) -> None:
    row = Row(flat((10, 10, 10), *shape), Caption(("bee",)), 0)
    cells = Images((flat(GREEN, *shape),))
    frames = tuple(Frame(f"epoch {number}", cells, (("says bee", "98%"),), (True,)) for number in range(7))
    bars = (Bar("bee", 0.5, "50%"), Bar("ant", 0.5, "50%"))
    drawn = {
        "card": Card(row, bars, (cells,) * 4, "sample 0").draw(),
        "strip": FilmStrip((row,), frames, "strip").draw(),
        "tiles": Tiles(Images((flat(GREEN, *shape),) * 4), ("1", "2", "3", "4"), "tiles").draw(),
        "sheet": Sheet((row,), (cells,) * 4, "sheet").draw(),
        "bars": BarSheet((replace(row, picture=flat(GREEN, *shape)),), (bars,), "bars").draw(),
    }
    for name, picture in drawn.items():
        found = green_cells(picture)
        assert len(found) == {"strip": 7, "bars": 1}.get(name, 4), name
        assert min(height for _, _, height, _ in found) >= 30, name
        assert picture.shape[1] <= 1000, name


@pytest.mark.parametrize(("shape", "at_least"), [((512, 16), 12), ((200, 50), 48)])
def test_tall_samples_beside_bars_are_no_slits(shape: Lying, at_least: int) -> None:
    drawn = BarSheet((Row(flat(GREEN, *shape), None, 0),), ((Bar("bee", 0.5, "50%"),) * 2,)).draw()
    [(_, _, height, width)] = green_cells(drawn)
    assert width >= at_least
    assert height <= 400


def test_rows_beyond_the_height_of_a_picture_are_left_out() -> None:
    row = Row(flat(GREEN), Caption(("bee",)), 0)
    frame = Frame("epoch 0", Images((flat((10, 10, 10)),) * 99), (("says bee", "98%"),) * 99, (True,) * 99)
    bars = (Bar("bee", 0.5, "50%"),) * 5
    for figure in (FilmStrip((row,) * 99, (frame,)), BarSheet((row,) * 99, (bars,) * 99)):
        drawn = figure.draw()
        assert drawn.shape[0] <= 5600
        assert 10 < len(green_cells(drawn)) < 99
        assert (drawn[-40:] < 200).any(), "the footer"


@pytest.mark.parametrize(
    ("color", "has_line"), [((255, 255, 255), True), ((247, 247, 247), True), ((230, 230, 230), False)]
)
def test_what_would_fade_into_the_paper_has_a_line_around_it(color: Color, has_line: bool) -> None:
    picture = flat(color, 7, 7)
    for drawn in (sheet([flat((10, 10, 10))], None, [[picture]]), tiles([picture] * 2)):
        line = (drawn == 190).all(axis=2)
        assert bool(line.any()) is has_line
        card = drawn[:: drawn.shape[0] // 124, :: drawn.shape[1] // 175]
        assert bool((card == 190).all(axis=2).any()) is has_line, "nor in a card"


def test_a_picture_that_is_white_inside_only_has_no_line() -> None:
    picture = flat((0, 0, 0), 20, 20)
    picture[3:17, 3:17] = 255
    picture[0, :5] = 255
    assert not (tiles([picture]) == 190).all(axis=2).any()


def test_a_title_that_is_broken_between_its_parts_has_no_dot_at_the_end_of_a_line() -> None:
    width = math.ceil(text_width("Grad-CAM ·", 20))
    [broken] = paragraph("Grad-CAM · epoch\u00a04", width, 20, DARK)
    [without] = paragraph("Grad-CAM epoch\u00a04", width, 20, DARK)
    assert np.array_equal(painted(broken), painted(without))


def test_the_pictures_of_one_column_have_a_line_around_them_all_or_none() -> None:
    white, dark = flat((255, 255, 255)), flat((0, 0, 90))
    for pictures, lines in (([white, dark], 2), ([dark, dark], 0)):
        for drawn in (tiles(pictures), sheet([dark] * 2, None, [[picture] for picture in pictures])):
            grey = (drawn == 190).all(axis=-1).sum()
            assert round(grey / (4 * 3 * 224)) == lines


@pytest.mark.parametrize("width", range(480, 969, 8))
def test_no_hyphen_is_left_out_of_a_card(width: int) -> None:
    thick = (text_block("-", text_size(width), DARK) < 100).all(axis=-1).sum(axis=0).max()
    assert thick >= (width + 2 * MARGIN) / 350, "a card shows one of so many lines of pixels"
