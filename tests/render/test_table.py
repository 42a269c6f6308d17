"""Tables of numbers as colored cells."""

import numpy as np
import pytest

from lightning_cnnviz.render.run_figures import HeatTable
from lightning_cnnviz.render.table import _headings
from lightning_cnnviz.render.text import text_width


def _epochs(count: int) -> tuple[str, ...]:
    return ("untrained", *(f"epoch {number}" for number in range(count - 1)))


@pytest.mark.parametrize("count", [1, 2, 5, 6, 9, 14, 15, 30, 33])
def test_a_table_of_many_looks_is_no_wider_than_other_pictures(count: int) -> None:
    table = HeatTable(np.full((1, count), 0.5), ("layer4.1.bn2",), _epochs(count), (0.0, 1.0), title="t")
    assert table.draw().shape[1] <= 1000


@pytest.mark.parametrize(("width", "expected"), [(160, [160] * 4), (90, [180, 180]), (60, [180])])
def test_headings_of_narrow_columns_are_left_out_and_never_broken_within_a_word(
    width: int, expected: list[int]
) -> None:
    assert text_width("untrained", 32) == pytest.approx(152, abs=4)
    assert [block.shape[1] for block in _headings(_epochs(4), width, 32)] == expected
