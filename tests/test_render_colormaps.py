from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from lightning_cnnviz.render import lookup_table


def test_the_ends_of_a_table_are_the_colours_of_its_library_in_rgb_order() -> None:
    assert lookup_table("viridis")[[0, 255]].tolist() == [[68, 1, 84], [253, 231, 37]]
    assert lookup_table("jet")[[0, 255]].tolist() == [[0, 0, 128], [128, 0, 0]]
    assert lookup_table("RdBu_r")[[0, 255]].tolist() == [[5, 48, 97], [103, 0, 31]]
    assert lookup_table("gray")[[0, 7, 255]].tolist() == [[0, 0, 0], [7, 7, 7], [255, 255, 255]]


@pytest.mark.parametrize("name", ["turbo", "JET", "seismic", "tab10", "viridis_r", "grey"])
def test_every_table_has_256_colours(name: str) -> None:
    table = lookup_table(name)
    assert table.shape == (256, 3)
    assert table.dtype == np.uint8


def test_a_table_is_made_once_and_cannot_be_changed() -> None:
    assert lookup_table("hot") is lookup_table("hot")
    with pytest.raises(ValueError, match="read-only"):
        lookup_table("hot")[0] = 0


def test_an_unknown_name_is_refused_with_the_nearest_ones() -> None:
    with pytest.raises(ValueError, match=r"colormap must name .* got 'virids'.*'viridis'"):
        lookup_table("virids")
    with pytest.raises(ValueError, match=r"got '12345'$"):
        lookup_table("12345")


def test_matplotlib_is_imported_only_for_its_own_colour_maps() -> None:
    code = """
import sys
import lightning_cnnviz.render as render
before = set(sys.modules)
render.lookup_table("viridis"), render.missing_glyphs("a")
assert not {"matplotlib"} & (set(sys.modules) - before)
render.lookup_table("seismic")
assert "matplotlib" in sys.modules and "matplotlib.pyplot" not in set(sys.modules) - before
"""
    subprocess.run([sys.executable, "-c", code], check=True)
