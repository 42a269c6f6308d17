from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from lightning_cnnviz.render import Caption, sheet, sheet_rows, tiles
from lightning_cnnviz.render.text import RIGHT, WRONG
from tests.helpers.pictures import box, flat, has, longest_run

CAPTIONS = [Caption(("7  98%", "true 7"), True), Caption(("1  60%", "true 4"), False)]


@pytest.mark.parametrize(("channel", "written"), [(8, ["", "ch 8"]), (1213, ["ch", "1213"])])
def test_headings_of_channels_are_not_broken(channel: int, written: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str] = []
    drawn = sheet_rows.label_blocks

    def listening(texts: Sequence[str], *args: Any, **options: Any) -> Any:
        found.extend(dict.fromkeys(texts))
        return drawn(texts, *args, **options)

    monkeypatch.setattr(sheet_rows, "label_blocks", listening)
    sheet([flat((0, 0, 200))], CAPTIONS[:1], [[flat((0, 0, 100))] * 8], columns=[f"ch {channel}"] * 8)
    assert sorted(found) == sorted(written)


def test_a_row_with_a_long_label_makes_no_other_row_higher() -> None:
    samples, cells = [flat((0, 0, 200))] * 2, [[flat((0, 0, 100))]] * 2
    long = "true a name of some words · 0.7% · all 0"
    heights = [
        sheet(samples, None, cells, cell_labels=[[first], [second]]).shape[0]
        for first, second in (("1%", "1%"), (long, "1%"), (long, long))
    ]
    assert heights[2] - heights[1] == heights[1] - heights[0] > 0


def test_only_rows_with_labels_have_room_for_them() -> None:
    samples, cells = [flat((0, 0, 200))] * 3, [[flat((0, 0, 100))]] * 3
    heights = [
        sheet(samples, None, cells, cell_labels=labels).shape[0]
        for labels in (None, [["all 0"], [""], [""]], [["all 0"]] * 3)
    ]
    assert (heights[2] - heights[0]) == 3 * (heights[1] - heights[0]) > 0


def test_a_sheet_has_a_row_for_each_sample_and_its_cells_follow_from_left_to_right() -> None:
    samples = [flat((200, 0, 0)), flat((0, 200, 0))]
    cells = [[flat((10, 0, 0), 7, 7), flat((20, 0, 0), 7, 7)], [flat((0, 10, 0), 7, 7), flat((0, 20, 0), 7, 7)]]
    picture = sheet(samples, None, cells)
    first = [box(picture, color) for color in ((200, 0, 0), (10, 0, 0), (20, 0, 0))]
    second = [box(picture, color) for color in ((0, 200, 0), (0, 10, 0), (0, 20, 0))]
    # Three columns leave room for the widest cell, 224 pixels: 8 times the sample; gaps of 8, a margin of 16.
    assert first == [(16, left, 224, 224) for left in (16, 248, 480)]
    assert second == [(248, left, 224, 224) for left in (16, 248, 480)]
    assert picture.shape == (488, 720, 3)
    assert picture.dtype == np.uint8


def test_captions_stand_between_sample_and_cells_in_the_color_of_their_verdict() -> None:
    samples, cells = [flat((0, 0, 200))] * 2, [[flat((0, 0, 100))]] * 2
    picture = sheet(samples, CAPTIONS, cells)
    sample_right, cell_left = 16 + 224, np.nonzero((picture == (0, 0, 100)).all(axis=-1))[1].min()
    beside_sample = picture[:, sample_right:cell_left]
    upper, lower = beside_sample[: 16 + 224], beside_sample[16 + 224 :]
    assert has(upper, RIGHT)
    assert not has(upper, WRONG)
    assert has(lower, WRONG)
    assert not has(lower, RIGHT)
    neutral = sheet(samples, [Caption(("7",)), Caption(("4",))], cells)
    assert not has(neutral, RIGHT)
    assert not has(neutral, WRONG)


def test_a_caption_that_does_not_fit_beside_its_sample_stands_above_the_row() -> None:
    long = [Caption(("name " * 30 + "7%", "x" * 100), True)]
    picture = sheet([flat((0, 0, 200))], long, [[flat((0, 0, 100))] * 3])
    assert picture.shape[1] <= 1000
    top, _, height, width = box(picture, (0, 0, 200))
    assert (height, width) == (224, 224)
    assert top > 16 + 3 * 30, "the caption stands above the row, in three lines"
    assert has(picture[:top], RIGHT)


def test_a_caption_is_shortened_before_it_grows_beyond_its_picture() -> None:
    picture = sheet([flat((0, 0, 200))], [Caption(("name " * 100 + "7%",), True)], [[]])
    assert picture.shape[0] == 224 + 2 * 16


def test_pictures_keep_their_aspect_ratio() -> None:
    picture = sheet([flat((0, 0, 200), 100, 200), flat((0, 200, 0), 1000, 100)], None, [[], []])
    assert box(picture, (0, 0, 200))[2:] == (100, 200)
    assert box(picture, (0, 200, 0))[2:] == (480, 48)
    assert box(tiles([flat((0, 0, 200), 20, 40)]), (0, 0, 200))[2:] == (100, 200)


def test_captions_of_flat_pictures_stand_above_them() -> None:
    captions = [Caption(("cat", "98%", "true cat"), True)]
    picture = sheet([flat((0, 0, 200), 20, 80)], captions, [[flat((0, 0, 100), 20, 80)] * 2])
    top, left, _, width = box(picture, (0, 0, 200))
    assert (left, width) == (16, 224)
    assert has(picture[:top, : left + width], RIGHT)
    assert top < 16 + 2 * 20


def test_samples_are_enlarged_pixel_by_pixel() -> None:
    sample = np.random.default_rng(0).integers(0, 256, (28, 28, 3), dtype=np.uint8)
    picture = sheet([sample], None, [[]])
    assert np.array_equal(picture[16:240, 16:240], sample.repeat(8, axis=0).repeat(8, axis=1))


def test_cells_are_smooth_only_when_asked() -> None:
    step = np.zeros((2, 2, 3), np.uint8)
    step[:, 1] = 200
    for smooth in (False, True):
        right = sheet([flat((255, 255, 255))], None, [[step]], smooth=smooth)[16:240, 248:472]
        assert (len(np.unique(right)) > 2) is smooth
    assert len(np.unique(tiles([step], smooth=True)[16:240, 16:240])) > 2


def test_what_shrinks_is_averaged() -> None:
    stripes = np.zeros((448, 448, 3), np.uint8)
    stripes[:, ::2] = 200
    picture = sheet([stripes], None, [[stripes]])
    assert (picture[16:240, 16:240] == 100).all()
    assert (picture[16:240, 248:472] == 100).all()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 10, 40])
def test_a_sheet_is_at_most_1000_wide_and_its_cells_at_least_80(count: int) -> None:
    for side in (28, 32, 224):
        sample = flat((0, 0, 200), side, side)
        picture = sheet([sample], CAPTIONS[:1], [[flat((0, 0, 100), 7, 7)] * count])
        assert 512 <= picture.shape[1] <= 1000
        assert 80 <= box(picture, (0, 0, 200))[3] <= 224
        assert 80 <= longest_run(picture, (0, 0, 100)) <= 224


def test_headings_title_footer_bar_and_labels_add_their_own_strips() -> None:
    samples, cells = [flat((0, 0, 200))], [[flat((0, 0, 100))]]
    plain = sheet(samples, None, cells)
    top, _, _, _ = box(sheet(samples, None, cells, title="conv1"), (0, 0, 200))
    assert top > 16
    assert box(sheet(samples, None, cells, columns=["ch 3"]), (0, 0, 200))[0] > 16
    for extra in ({"footer": "each cell scaled by itself"}, {"cell_labels": [["all 0"]]}):
        below = sheet(samples, None, cells, **extra)
        assert box(below, (0, 0, 200))[0] == 16
        assert (below[16 + 224 + 1 :] < 200).any()
        assert below.shape[0] > plain.shape[0]


def test_a_heading_stands_above_its_own_cell() -> None:
    picture = sheet([flat((0, 0, 200))], CAPTIONS[:1], [[flat((0, 0, 100)), flat((0, 0, 50))]], columns=["", "overlay"])
    top, left, _, width = box(picture, (0, 0, 50))
    ink = np.nonzero((picture[:top] < 200).any(axis=(0, 2)))[0]
    assert left <= ink.min()
    assert ink.max() < left + width


def test_captions_may_be_given_as_lists() -> None:
    sample = flat((0, 0, 200))
    assert np.array_equal(sheet([sample], [Caption(["a", "b"])], [[]]), sheet([sample], [Caption(("a", "b"))], [[]]))  # type: ignore[arg-type]


def test_the_inputs_are_left_unchanged() -> None:
    sample, cell = flat((0, 0, 200)), flat((0, 0, 100))
    sheet([sample], CAPTIONS[:1], [[cell]])
    tiles([cell])
    assert (sample == (0, 0, 200)).all()
    assert (cell == (0, 0, 100)).all()


def test_what_does_not_belong_together_is_refused() -> None:
    a = flat((0, 0, 0))
    with pytest.raises(ValueError, match="samples must hold at least one picture, got none"):
        sheet([], None, [])
    with pytest.raises(ValueError, match="captions must have one item for each of the 1 samples, got 2"):
        sheet([a], CAPTIONS, [[a]])
    with pytest.raises(ValueError, match=r"every row of cells must have one item .* 1 .*, got 2"):
        sheet([a, a], None, [[a], [a, a]])
    with pytest.raises(ValueError, match="columns must have one item for each of the 1 cells in a row, got 2"):
        sheet([a], None, [[a]], columns=["a", "b"])
    with pytest.raises(ValueError, match=r"every row of cell_labels must have one item .* got 0"):
        sheet([a], None, [[a]], cell_labels=[[]])
    with pytest.raises(TypeError, match="cells must be uint8 arrays, got float64"):
        sheet([a], None, [[np.zeros((2, 2, 3))]])
    with pytest.raises(ValueError, match=r"cells must have the shape \(height, width, 3\), got \(3, 28, 28\)"):
        tiles([a.transpose(2, 0, 1)])
    with pytest.raises(ValueError, match="labels must have one item for each of the 2 cells, got 1"):
        tiles([a, a], labels=["a"])
    with pytest.raises(ValueError, match="columns must be at least 1, got 0"):
        tiles([a], columns=0)
    with pytest.raises(ValueError, match="lines must hold at least one text, got none"):
        Caption(())


def test_more_cells_than_fit_take_several_lines_each_below_its_heading() -> None:
    cells = [flat((10 * i, 0, 0), 7, 7) for i in range(1, 21)]
    picture = sheet([flat((0, 0, 200))], CAPTIONS[:1], [cells], columns=[f"ch {i}" for i in range(20)])
    places = [box(picture, (10 * i, 0, 0)) for i in range(1, 21)]
    assert [len({place[0] for place in places[start : start + 10]}) for start in (0, 10)] == [1, 1]
    assert places[10][0] - places[0][0] > places[0][2] + 20  # room for a line of headings
    assert picture.shape[1] <= 1000


def test_a_sheet_has_an_end_and_says_what_it_leaves_out() -> None:
    sample, cell = flat((0, 0, 200)), flat((0, 0, 100), 7, 7)
    for samples, count in ((128, 8), (8, 512), (128, 512)):
        picture = sheet([sample] * samples, None, [[cell] * count] * samples, footer="")
        assert picture.shape[0] <= 5600
        assert picture.shape[1] <= 1000
        drawn = (picture == (0, 0, 200)).all(axis=-1).sum() // (112 * 112)
        assert 1 <= drawn < samples or count == 512
        assert (picture[-40:] < 200).any()  # the footer
    assert len(tiles([cell] * 5000).shape) == 3


def test_titles_and_footers_wrap_and_lose_nothing() -> None:
    sample, text = flat((0, 0, 200)), "many words " * 12
    short = sheet([sample], None, [[sample]], title="word", footer="word")
    long = sheet([sample], None, [[sample]], title=text, footer=text)
    assert long.shape[1] == short.shape[1]
    assert long.shape[0] > short.shape[0] + 60
