"""Tables of numbers as colored cells."""

from itertools import combinations

import numpy as np
import pytest

from lightning_cnnviz.render.blocks import Mosaic, painted
from lightning_cnnviz.render.table import HeatTable, _headings
from lightning_cnnviz.render.text import text_width


def _epochs(count: int) -> tuple[str, ...]:
    return ("untrained", *(f"epoch {number}" for number in range(count - 1)))


@pytest.mark.parametrize("count", [1, 2, 5, 6, 9, 14, 15, 30, 33])
def test_a_table_of_many_looks_is_no_wider_than_other_pictures(count: int) -> None:
    table = HeatTable(np.full((1, count), 0.5), ("layer4.1.bn2",), _epochs(count), (0.0, 1.0), title="t")
    assert table.draw().shape[1] <= 1000


def ink(headings: tuple[str, ...], width: int) -> list[tuple[int, int, int]]:
    """Top, left and right of each word above the columns."""
    drawn = _headings(headings, width, 32)
    assert isinstance(drawn, Mosaic)
    found = []
    for block, top, left in drawn.places:
        columns = np.flatnonzero((painted(block) < 128).any(axis=(0, 2)))
        found.append((top, left + int(columns[0]), left + int(columns[-1])))
    return found


@pytest.mark.parametrize(("width", "shown", "heights"), [(170, 4, 1), (110, 4, 2), (90, 2, 1), (60, 1, 1)])
def test_headings_of_narrow_columns_stand_in_two_heights_or_are_left_out_and_no_word_is_broken(
    width: int, shown: int, heights: int
) -> None:
    assert text_width("untrained", 32) == pytest.approx(152, abs=4)
    words = ink(_epochs(4), width)
    assert len(words) == shown
    assert len({top for top, *_ in words}) == heights
    assert all(left >= 0 and right < 4 * width for _, left, right in words)


@pytest.mark.parametrize("count", [2, 9, 10, 12, 16])
@pytest.mark.parametrize("width", [46, 60, 80, 128])
def test_numbers_of_columns_do_not_run_together(count: int, width: int) -> None:
    words = ink(tuple(str(number) for number in range(1, count + 1)), width)
    assert len(words) == count
    for one, other in combinations(words, 2):
        if one[0] == other[0]:
            assert other[1] - one[2] > 8, "pixels between two numbers in one height"
    middles = [(left + right) / 2 for _, left, right in words]
    assert middles == pytest.approx([width * (index + 0.5) for index in range(count)], abs=8)


@pytest.mark.parametrize(
    ("value", "columns", "text"), [(1234.0, 4, "1234"), (12345.0, 4, "12345"), (12345.0, 16, "12k"), (5e6, 16, "5.0M")]
)
def test_large_numbers_are_shortened_where_their_cells_are_narrow(value: float, columns: int, text: str) -> None:
    table = HeatTable(np.full((1, columns), value), ("a",), ("",) * columns, (0.0, 1.0))
    written, size = table._written(32, {4: 124, 16: 42}[columns])
    assert written == [[text] * columns]
    assert size is not None
    assert size >= 15


def test_numbers_that_could_not_be_read_are_left_out() -> None:
    table = HeatTable(np.full((1, 16), 0.12345), ("a",), ("",) * 16, (0.0, 1.0))
    assert table._written(32, 30)[1] is None
    assert table.draw().shape[1] <= 1000


def test_names_of_rows_that_begin_alike_are_told_apart_on_two_lines() -> None:
    names = tuple(
        f"{index} the greater {bird} of the northern Atlas  7%" for index, bird in enumerate(("owl", "woodpecker"))
    )
    long, short = (HeatTable(np.ones((2, 12)), of, ("",) * 12, (0.0, 1.0)).draw() for of in (names, ("a", "b")))
    assert long.shape[0] > short.shape[0] + 16
    assert long.shape[1] <= 1000
    ink = (long[:, : 16 + 400] < 100).all(axis=2).any(axis=1)
    lines = np.split(np.flatnonzero(ink), np.flatnonzero(np.diff(np.flatnonzero(ink)) > 1) + 1)
    assert len([line for line in lines if 8 < len(line) < 40]) >= 4
