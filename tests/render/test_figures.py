"""Figures: data that is drawn where and when it is wanted, and that says of itself what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lightning_cnnviz.output.artifacts import Style
from lightning_cnnviz.render import (
    Bar,
    Bars,
    Caption,
    FilmStrip,
    Frame,
    HeatTable,
    Images,
    Kind,
    Maps,
    Row,
    Sheet,
    SignedImages,
    Tiles,
    draw_maps,
    lookup_table,
    tiles,
)
from lightning_cnnviz.render.fonts import load_font
from lightning_cnnviz.render.text import RIGHT
from tests.helpers.pictures import flat

RANDOM = np.random.default_rng(0)
PHOTO = RANDOM.integers(0, 256, (20, 30, 3), dtype=np.uint8)
VALUES = RANDOM.normal(size=(2, 3, 5, 5)).astype(np.float32)
ROWS = tuple(Row(PHOTO, Caption((f"sample {index}",)), index) for index in range(2))


def columns() -> list[Maps | SignedImages | Images | Bars]:
    return [
        Maps(VALUES, ("a", "b", "c")),
        Maps(VALUES[:, :1], ("a",), kind="signed", colormap="RdBu_r", laying="both", smooth=True, grey=True),
        SignedImages(VALUES, "signed"),
        Images((PHOTO, PHOTO), "picture", ("x", "y")),
        Bars(((Bar("cat", 0.5, "50%"),), (Bar("dog", 1.0, "100%"),))),
    ]


@pytest.mark.parametrize("column", columns(), ids=lambda column: type(column).__name__)
def test_every_column_has_as_many_headings_and_labels_as_cells(column: Maps | SignedImages | Images | Bars) -> None:
    cells, labels = column.cells([PHOTO, PHOTO]), column.cell_labels()
    assert len(cells) == len(labels) == 2
    assert {len(row) for row in [*cells, *labels]} == {len(column.column_headings)}


def test_columns_of_all_kinds_stand_beside_each_other_in_one_sheet() -> None:
    picture = Sheet(ROWS, tuple(columns()), "all kinds").draw()
    assert picture.dtype == np.uint8
    for left_out in range(len(columns())):
        others = tuple(column for index, column in enumerate(columns()) if index != left_out)
        assert not np.array_equal(Sheet(ROWS, others, "all kinds").draw(), picture)


def test_cells_are_the_maps_as_they_are_colored_anywhere() -> None:
    cells = Maps(VALUES, ("a", "b", "c"), scale="shared").cells([PHOTO, PHOTO])
    assert np.array_equal(np.array(cells), draw_maps(VALUES, scale="shared").cells)


def test_a_map_laid_over_weighs_as_much_as_it_was_told() -> None:
    values = np.linspace(0, 1, 20 * 30, dtype=np.float32).reshape(1, 1, 20, 30)
    ((heat, over),) = Maps(values, ("a",), laying="both", alpha=0.5).cells([PHOTO])
    # Half of the map where it is highest, none of it where it is lowest, a quarter half-way.
    assert np.array_equal(over[0, 0], PHOTO[0, 0])
    assert np.abs(over[-1, -1] - (heat[-1, -1] / 2 + PHOTO[-1, -1] / 2)).max() <= 1
    assert np.abs(over[10, 0] - (heat[10, 0] / 4 + PHOTO[10, 0] * 0.75)).max() <= 2
    signed = Maps(values - 0.5, ("a",), kind="signed", laying="over", alpha=1.0).cells([PHOTO])[0][0]
    assert np.abs(signed[10, 0].astype(int) - PHOTO[10, 0]).max() <= 2  # zero, in the middle, says nothing
    flat = Maps(values * 0 + 1, ("a",), laying="both", alpha=1.0).cells([PHOTO])[0]
    assert np.array_equal(*flat)
    ((over,),) = Maps(VALUES[:1, :1], ("a",), laying="over", alpha=0.0).cells([PHOTO])
    assert np.array_equal(over, PHOTO)


def test_what_is_wrong_is_written_below_the_map_that_it_is_wrong_with() -> None:
    values = VALUES.copy()
    values[1, 2], values[0, 0, 0, 0] = 0, np.nan
    maps = Maps(values, ("a", "b", "c"), labels=(("one", "two", "three"),) * 2)
    assert maps.cell_labels() == [["one · 4% NaN", "two", "three"], ["one", "two", "three · all 0"]]
    assert Sheet(ROWS, (Images((PHOTO, PHOTO)), maps)).summary == "2 of 6 maps are 4% NaN, all 0"
    assert Tiles(maps).summary == "2 of 6 maps are 4% NaN, all 0"
    assert Maps(VALUES, ("a", "b", "c")).summary() is None


def test_given_limits_hold_whatever_the_maps_are() -> None:
    maps = Maps(np.full((1, 1, 1, 2), 3, np.float32), ("a",), limits=(0, 6), colormap="gray")
    assert maps.cells(())[0][0][0, :, 0].tolist() == [128, 128]
    assert maps.scale_note() == "each map scaled by itself, maximum 6"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": VALUES[0]}, r"values must have the shape \(N, K, h, w\), got \(3, 5, 5\)"),
        ({"headings": ("a",)}, r"headings must be 3 texts"),
        ({"colormap": "virids"}, r"colormap must name .* got 'virids'.*'viridis'"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_drawn(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Maps(**{"values": VALUES, "headings": ("a", "b", "c"), **arguments})  # type: ignore[arg-type]


def test_images_of_other_than_one_or_three_channels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(N, 1 or 3, h, w\), got \(2, 2, 5, 5\)"):
        SignedImages(VALUES[:, :2])


@pytest.mark.parametrize(
    "figure",
    [
        Sheet(ROWS, (Maps(VALUES, ("a", "b", "c")),), "title", "footer"),
        Tiles(Maps(VALUES[:, :1], ("",)), ("cell 1", "cell 2"), "title", "footer"),
        FilmStrip(
            ROWS, (Frame("0", Maps(VALUES[:, :1], ("",), laying="over"), (("a",), ("b",)), (True, None)),), "title"
        ),
        HeatTable(np.array([[0.5]]), ("row",), ("column",), (0, 1), title="title"),
    ],
    ids=lambda figure: type(figure).__name__,
)
def test_all_text_of_a_figure_is_set_in_the_font_asked_for(figure: Sheet | Tiles | FilmStrip | HeatTable) -> None:
    mono = str(Path(str(load_font(None, 20).path)).with_name("DejaVuSansMono.ttf"))
    default, other = figure.draw(), figure.draw(Style(mono))
    assert default.shape != other.shape or (default != other).any()
    assert np.array_equal(figure.draw(), default)


def test_one_bar_for_all_tiles_runs_between_their_limits() -> None:
    maps = Maps(VALUES[:, :1], ("",), kind="signed", scale="shared", colormap="gray")
    with_bar = Tiles(maps, has_bar=True, bar_label="weight").draw()
    assert with_bar.shape[0] > Tiles(maps).draw().shape[0]
    colors = {tuple(color) for color in lookup_table("gray")[[0, 255]].tolist()}
    below = with_bar[Tiles(maps).draw().shape[0] - 16 :].reshape(-1, 3)
    assert colors <= {tuple(pixel) for pixel in below.tolist()}


def test_the_cells_of_a_grid_have_bars_for_their_strength_and_the_dead_ones_are_counted() -> None:
    values = np.zeros((1, 3, 8, 8), np.float32)
    values[0, 0, 0, 0], values[0, 1, 0, 0] = 4, 1
    grid = Tiles(Maps(values, ("a", "b", "c"), strongest=4.0), ("a", "b", "c"))
    plain = Tiles(Maps(values, ("a", "b", "c")), ("a", "b", "c"))
    assert grid.cells.strengths() == [[1.0, 0.25, 0.0]]
    assert grid.summary == "1 of 3 maps are all 0"
    assert grid.draw().shape[0] > plain.draw().shape[0]


@pytest.mark.parametrize(
    ("kind", "colormap"), [("class_activation", "jet"), ("signed", "RdBu_r"), ("intensity", "hot")]
)
def test_a_map_that_is_all_0_tints_nothing(kind: Kind, colormap: str) -> None:
    values = np.zeros((1, 1, 7, 7), np.float32)
    [[alone, over]] = Maps(values, ("map",), kind=kind, colormap=colormap, laying="both").cells([PHOTO])
    assert np.array_equal(over, PHOTO)
    assert not np.array_equal(alone, PHOTO)
    [[_, constant]] = Maps(values + 1, ("map",), kind=kind, colormap=colormap, laying="both").cells([PHOTO])
    assert not np.array_equal(constant, PHOTO), "constant is not nothing"


def test_what_is_constant_for_want_of_pixels_is_no_defect() -> None:
    for side, told in ((1, None), (2, "2 of 2 maps are constant")):
        values = np.full((2, 1, side, side), 0.5, np.float32)
        values[1] = 0.7
        assert Maps(values, ("map",)).summary() == told
    assert Maps(np.zeros((1, 1, 1, 1), np.float32), ("map",)).summary() == "1 of 1 maps are all 0"


def test_what_is_wrong_with_a_cell_of_a_grid_stands_below_it() -> None:
    values = np.zeros((3, 1, 2, 2), np.float32)
    values[1:, 0, 0, 0] = 1, np.nan
    maps = Maps(values, ("",))
    expected = tiles(
        [row[0] for row in maps.cells(())],
        labels=["0 · all 0", "1", "2 · 25% NaN, rest all 0"],
        footer="2 of 3 maps are 25% NaN, rest all 0, all 0",
    )
    assert np.array_equal(Tiles(maps, ("0", "1", "2")).draw(), expected)


def test_a_strip_has_bands_only_where_right_and_wrong_are_known() -> None:
    grey = flat((128, 128, 128))
    rows = (Row(grey, None, 0), Row(grey, None, 1))
    for correct, bands in (((None, None), 0), ((None, True), 1)):
        frame = Frame("epoch 0", Images((grey,) * 2), (("98%",),) * 2, correct)
        drawn = FilmStrip(rows, (frame,)).draw()
        areas = [int((drawn == color).all(axis=-1).sum()) for color in ((200, 200, 200), RIGHT)]
        assert [round(area / (128 * 12)) for area in areas] == [bands, bands], correct


def test_rows_of_a_strip_without_bands_or_words_do_not_run_into_each_other() -> None:
    grey = flat((128, 128, 128))
    rows = tuple(Row(np.full_like(grey, 255), None, index) for index in range(2))
    drawn = FilmStrip(rows, (Frame("epoch 0", Images((grey,) * 2), ((),) * 2, (None,) * 2),)).draw()
    lines = np.flatnonzero((drawn == 128).all(axis=-1).sum(axis=1) == 128)
    assert np.diff(lines).max() == 1 + 8 + 4
