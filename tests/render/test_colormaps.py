from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

from lightning_cnnviz import render
from lightning_cnnviz.render import lookup_table


def test_the_ends_of_a_table_are_the_colors_of_its_library_in_rgb_order() -> None:
    assert lookup_table("viridis")[[0, 255]].tolist() == [[68, 1, 84], [253, 231, 37]]
    assert lookup_table("jet")[[0, 255]].tolist() == [[0, 0, 128], [128, 0, 0]]
    assert lookup_table("RdBu_r")[[0, 255]].tolist() == [[5, 48, 97], [103, 0, 31]]
    assert lookup_table("gray")[[0, 7, 255]].tolist() == [[0, 0, 0], [7, 7, 7], [255, 255, 255]]


@pytest.mark.parametrize("name", ["turbo", "JET", "seismic", "tab10", "viridis_r", "grey"])
def test_every_table_has_256_colors(name: str) -> None:
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


def test_no_module_imports_matplotlib_or_torch_at_its_top() -> None:
    paths = list(Path(render.__file__).parent.glob("*.py"))
    assert len(paths) > 5
    for path in paths:
        imports = [
            node for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        names = {alias.name for node in imports for alias in node.names} | {
            getattr(node, "module", "") for node in imports
        }
        assert not {name.partition(".")[0] for name in names} & {"matplotlib", "torch", "lightning"}, path.name
