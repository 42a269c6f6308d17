from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lightning_cnnviz.render import draw_maps, tiles, tiling
from tests.helpers.pictures import Color, box, flat


def test_tiles_are_in_reading_order() -> None:
    colors: list[Color] = [(10 * i, 0, 0) for i in range(1, 6)]
    picture = tiles([flat(color) for color in colors], columns=3)
    places = [box(picture, color) for color in colors]
    assert places == [(16, 16, 224, 224), (16, 248, 224, 224), (16, 480, 224, 224), *places[3:]]
    assert places[3:] == [(248, 16, 224, 224), (248, 248, 224, 224)]


def test_512_tiles_stay_a_picture_that_can_be_shown() -> None:
    cells = draw_maps(np.random.default_rng(0).normal(size=(512, 7, 7))).cells
    picture = tiles(cells, labels=[str(i) for i in range(512)], title="layer4", footer="each cell scaled by itself")
    assert 600 <= picture.shape[1] <= 1000


@pytest.mark.parametrize("columns", [12, 20, 40, 100])
def test_many_columns_do_not_widen_the_picture(columns: int) -> None:
    assert 800 <= tiles([flat((0, 0, 0), 50, 50)] * columns, columns=columns).shape[1] <= 1000


def test_labels_that_cannot_be_read_are_left_out() -> None:
    cells = [flat((0, 0, 0), 7, 7)] * 60
    assert np.array_equal(tiles(cells, columns=60, labels=["name"] * 60), tiles(cells, columns=60))
    assert tiles(cells, columns=10, labels=["name"] * 60).shape[0] > tiles(cells, columns=10).shape[0]


def test_numbered_rows_and_columns_tell_the_number_of_a_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    drawn = tiling.text_block

    def listening(text: str, *args: Any) -> Any:
        written.append(text)
        return drawn(text, *args)

    monkeypatch.setattr(tiling, "text_block", listening)
    cells = [flat((0, 0, 200), 28, 28)] * 20 + [flat((200, 0, 0), 28, 28)]
    picture = tiles(cells, columns=8, numbered=True)
    assert written == [*(f"+{column}" for column in range(8)), "0", "8", "16"]
    top, left, height, width = box(picture, (200, 0, 0))
    blue = np.argwhere((picture == (0, 0, 200)).all(axis=-1)).min(axis=0)
    assert ((top - blue[0]) / (height + 8), (left - blue[1]) / (width + 8)) == (2, 4), "16 + 4"
    assert (picture[blue[0] :, : blue[1]] < 160).any(), "numbers stand before the rows"
    assert (picture[: blue[0], left : left + width] < 160).any(), "and above the columns"


def test_rows_of_many_numbered_cells_begin_at_multiples_of_eight(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    drawn = tiling.text_block
    monkeypatch.setattr(tiling, "text_block", lambda text, *args: written.append(text) or drawn(text, *args))
    picture = tiles([flat((0, 0, 200), 7, 7)] * 512, numbered=True)
    assert [text for text in written if text[0] != "+"] == [str(24 * row) for row in range(22)]
    assert [text for text in written if text[0] == "+"] == [f"+{column}" for column in range(0, 24, 3)]
    assert picture.shape[1] <= 1000
