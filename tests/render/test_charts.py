from __future__ import annotations

import math

import numpy as np
import pytest

from lightning_cnnviz.render import Bar, BarSheet, Row, bar_chart
from lightning_cnnviz.render.charts import bars_height
from lightning_cnnviz.render.text import text_width

NEUTRAL, RIGHT, WRONG, TRACK = (150, 150, 150), (30, 120, 190), (230, 110, 20), (238, 238, 238)


def longest(picture: np.ndarray, row: int, color: tuple[int, int, int]) -> tuple[int, int]:
    """Where the longest run of a color in one line of pixels begins and ends; letters have some of it, too."""
    runs, start = [(0, 0)], None
    for column, inside in enumerate([*(picture[row] == color).all(axis=1).tolist(), False]):
        if inside and start is None:
            start = column
        elif not inside and start is not None:
            runs.append((start, column))
            start = None
    return max(runs, key=lambda run: run[1] - run[0])


def lengths(picture: np.ndarray, row: int, color: tuple[int, int, int]) -> tuple[int, int]:
    """Pixels of a bar and of the rest of its track."""
    (start, end), (rest_start, rest_end) = longest(picture, row, color), longest(picture, row, TRACK)
    return (end - start if end - start > 5 else 0), (rest_end - rest_start if rest_end - rest_start > 5 else 0)


def test_a_bar_is_as_long_as_its_share_of_the_track() -> None:
    # "a" is text_width("a") wide, so the track begins 8 pixels behind it, and ends 10 before the label.
    picture = bar_chart([Bar("a", 0.25, "25%")], width=224, height=60)
    size = 224 // 13
    track = 224 - int(text_width("25%", size)) - 10 - (math.ceil(text_width("a", size)) + 8)
    filled, rest = lengths(picture, 30, NEUTRAL)
    assert filled == round(track * 0.25)
    assert filled + rest == track


@pytest.mark.parametrize("share", [0.0, float("nan"), float("inf"), float("-inf")])
def test_nothing_and_what_is_no_number_have_no_length(share: float) -> None:
    filled, rest = lengths(bar_chart([Bar("a", share, "?")]), 112, NEUTRAL)
    assert filled == 0
    assert rest > 100


def test_certainty_fills_the_track() -> None:
    filled, rest = lengths(bar_chart([Bar("a", 1.0, "100%")]), 112, NEUTRAL)
    assert filled > 100
    assert rest == 0


def test_bars_are_in_order_from_top_to_bottom_in_the_color_of_their_verdict() -> None:
    picture = bar_chart([Bar("a", 1, "", False), Bar("b", 0.5, "", True), Bar("c", 0.25, "")], width=200, height=150)
    filled = [lengths(picture, row, color)[0] for row, color in ((25, WRONG), (75, RIGHT), (125, NEUTRAL))]
    assert filled[1:] == [round(filled[0] / 2), round(filled[0] / 4)]
    # A row of 50 pixels leaves a sixth of itself free above and below.
    rows = np.nonzero((picture == WRONG).all(axis=2).sum(axis=1) > 50)[0]
    assert (rows.min(), rows.max()) == (8, 41)


def test_all_tracks_begin_and_end_together() -> None:
    picture = bar_chart([Bar("i", 0, "1%"), Bar("a longer name", 0, "100%")])
    assert longest(picture, 56, TRACK) == longest(picture, 168, TRACK)


def test_a_long_name_takes_no_more_than_42_percent_of_the_width() -> None:
    picture = bar_chart([Bar("name " * 50, 1, "100%")], width=200, height=40)
    assert picture.shape == (40, 200, 3)
    assert longest(picture, 20, NEUTRAL)[0] == 84 + 8


def test_more_bars_than_there_is_room_for_stay_within_the_picture() -> None:
    picture = bar_chart([Bar(str(index), 0.5, "50%") for index in range(100)], height=120)
    assert picture.shape == (120, 224, 3)
    assert picture.dtype == np.uint8


def test_bars_begin_at_their_origin_to_either_side() -> None:
    bars = [Bar("a", 1.0, "", origin=0.25), Bar("b", 0.0, "", origin=0.25), Bar("c", float("nan"), "", origin=0.25)]
    picture = bar_chart(bars, width=200, height=150)
    (up, up_end), (down, down_end) = (longest(picture, row, NEUTRAL) for row in (25, 75))
    assert (up_end - up) / (down_end - down) == pytest.approx(3, rel=0.05)
    assert abs(up - down_end) <= 2, "a line between them"
    start, end = longest(picture, 125, NEUTRAL)
    assert end - start < 5


def test_a_long_name_takes_two_lines_and_a_higher_row() -> None:
    name = "Mediterranean house gecko"
    size = 20
    short, long = (bars_height([Bar(text, 1, "9%")] * 2, 300, size) for text in ("gecko", name))
    assert 1.7 * short < long < 2.2 * short
    picture = bar_chart([Bar(name, 1, "9%"), Bar("gecko", 1, "9%")], width=300, height=long, size=size)
    rows = np.nonzero((picture[:, :100] < 100).all(axis=2).any(axis=1))[0]
    assert len(np.split(rows, np.nonzero(np.diff(rows) > 1)[0] + 1)) == 3, "three lines of type"


def test_a_name_of_one_letter_stays_on_one_line() -> None:
    one = bars_height([Bar("1", 1, "9%", False)], 400, 20)
    assert one == bars_height([Bar("1", 1, "9%")], 400, 20)


def test_bars_of_one_sheet_begin_and_end_at_the_same_places() -> None:
    few, more = (Bar("cat", 0.0, "99%"),), (Bar("Egyptian cat", 0.0, "0.1%, no. 697"),)
    sample = np.full((20, 20, 3), 255, np.uint8)
    rows_drawn = tuple(Row(sample, None, index) for index in range(2))
    track = (BarSheet(rows_drawn, (few, more)).draw() == (238, 238, 238)).all(axis=2)
    rows = np.flatnonzero(track.sum(axis=1) > 100)
    assert len({tuple(np.flatnonzero(track[row])[[0, -1]].tolist()) for row in (rows[0], rows[-1])}) == 1
    assert rows[-1] - rows[0] > 50, "of both samples"
