"""Color bars, and the bars of strength below cells."""

from __future__ import annotations

import numpy as np
import pytest

from lightning_cnnviz.render import ColorBar, lookup_table, sheet
from tests.helpers.pictures import box, flat


def test_a_color_bar_runs_from_low_to_high() -> None:
    picture = sheet([flat((255, 255, 255))], None, [[]], bar=ColorBar("viridis", 0, 2.5))
    table = lookup_table("viridis")
    low, high = (np.nonzero((picture == table[level]).all(axis=-1))[1] for level in (0, 255))
    assert low.min() == 16
    assert high.max() > low.max()


def test_numbers_of_a_bar_have_a_zero_in_the_middle_when_symmetric() -> None:
    assert ColorBar("RdBu_r", -0.5, 0.5).marks == ("−0.5", "0", "0.5")
    assert ColorBar("viridis", 0.12345, 2).marks == ("0.123", "2")
    assert ColorBar("viridis", 0, 0).marks == ("0", "0")
    with pytest.raises(ValueError, match="low must not be above high, got low=2 and high=1"):
        ColorBar("viridis", 2, 1)


def test_a_bar_below_a_cell_is_filled_by_its_strength() -> None:
    sample, cells = flat((0, 0, 200)), [[flat((0, 0, 100)), flat((0, 0, 50))]]
    picture = sheet([sample], None, cells, strengths=[[0.25, 1.0]])
    for color, share in (((0, 0, 100), 0.25), ((0, 0, 50), 1.0)):
        top, left, height, width = box(picture, color)
        below = picture[top + height + 4, left : left + width]
        assert (below < 60).all(axis=1).sum() == round(share * width)
    none = sheet([sample], None, cells, strengths=[[None, None]])
    assert np.array_equal(none, sheet([sample], None, cells))
