from __future__ import annotations

import numpy as np
import pytest

from lightning_cnnviz.output.artifacts import Style
from lightning_cnnviz.render import Bar, Card, Maps, Row
from tests.helpers.pictures import noise

BARS = (Bar("a", 0.75, "75%", True), Bar("b", 0.25, "25%"))


def _maps(count: int) -> Maps:
    values = np.arange(count * 4, dtype=np.float32).reshape(1, count, 2, 2)
    return Maps(values, tuple(f"ch {index}" for index in range(count)))


@pytest.mark.parametrize(("height", "width"), [(28, 28), (64, 200), (200, 64), (224, 224), (1, 1)])
@pytest.mark.parametrize("count", [0, 1, 4])
def test_three_cells_in_a_line_below_sample_and_bars(height: int, width: int, count: int) -> None:
    columns = (_maps(count),) if count else ()
    picture = Card(Row(noise(height, width), None, 0), BARS, columns, "title", "footer").draw()
    assert picture.dtype == np.uint8
    assert picture.shape[1] <= 1000
    more = Card(Row(noise(height, width), None, 0), BARS, (_maps(3), *columns), "title", "footer").draw()
    assert more.shape[0] > picture.shape[0], "three cells make one line more"
    assert more.shape[1] == picture.shape[1]


def test_the_sample_and_its_maps_are_where_they_belong() -> None:
    sample = np.full((28, 28, 3), (10, 200, 30), np.uint8)
    maps = Maps(np.array([[[[0.0, 1.0], [0.0, 1.0]]]], np.float32), ("ch 7",), colormap="gray")
    picture = Card(Row(sample, None, 0), BARS, (maps,)).draw()
    green = (picture == (10, 200, 30)).all(axis=2)
    assert green.sum() == 224 * 224
    top, left = np.argwhere(green)[0]
    cell = picture[top + 224 + 8 : top + 224 + 8 + 224, left : left + 224]
    inside = cell[4:-4, 4:-4]  # of the line around what is white
    assert (inside[:, :108] == 0).all()
    assert (inside[:, 108:] == 255).all()
    blue = (picture == (30, 120, 190)).all(axis=2)
    assert blue[:, left + 224 :].sum() == blue.sum() > 0, "bars stand at the right of the sample"


def test_the_epoch_stands_in_the_title() -> None:
    card = Card(Row(noise(28, 28), None, 0), (), (), "Sample 0")
    assert not np.array_equal(card.draw(Style(moment="epoch 4")), card.draw())


def test_a_summary_of_what_has_nothing_to_show() -> None:
    dead = Maps(np.zeros((1, 2, 2, 2), np.float32), ("a", "b"))
    assert Card(Row(noise(), None, 0), (), (_maps(1), dead)).summary == "2 of 2 maps are all 0"
