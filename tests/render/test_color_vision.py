"""Colors that carry meaning are told apart by people who lack one kind of cone, in numbers."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import lightning_cnnviz.page
from lightning_cnnviz.render import charts, lookup_table, text
from lightning_cnnviz.render.masks import class_color

# Machado, Oliveira and Fernandes, "A physiologically-based model for simulation of color vision deficiency", 2009: what
# linear red, green and blue look like without one kind of cone.
VISIONS = {
    "all cones": np.eye(3),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}
_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE = _TO_XYZ.sum(axis=1)

DIFFERENT = 25.0
"""CIE76 color difference: 2.3 is just noticeable side by side, ten times that is seen at a glance and far apart."""


def lab(color: tuple[int, int, int] | NDArray[np.uint8], vision: str) -> NDArray[np.float64]:
    """CIE L*a*b* of an sRGB color as it is seen."""
    encoded = np.asarray(color, np.float64) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    xyz = _TO_XYZ @ (VISIONS[vision] @ linear).clip(0, 1) / _WHITE
    root = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


def difference(one: tuple[int, int, int], other: tuple[int, int, int], vision: str) -> float:
    return float(np.linalg.norm(lab(one, vision) - lab(other, vision)))


def test_the_simulation_tells_what_is_known() -> None:
    assert lab((255, 255, 255), "all cones") == pytest.approx([100, 0, 0], abs=0.05)
    assert lab((255, 0, 0), "all cones") == pytest.approx([53.2, 80.1, 67.2], abs=0.1)
    red, green = (200, 60, 50), (90, 120, 40)
    assert difference(red, green, "deuteranopia") < DIFFERENT < difference(red, green, "all cones")


def ends(colormap: str) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    low, high = lookup_table(colormap)[[0, 255]].tolist()
    return tuple(low), tuple(high)


MEANINGS = {
    "type of right and wrong": (text.RIGHT, text.WRONG),
    "bars of right and wrong": (charts._COLORS[True], charts._COLORS[False]),
    "bars of right and others": (charts._COLORS[True], charts._COLORS[None]),
    "bars of wrong and others": (charts._COLORS[False], charts._COLORS[None]),
    "against and for": ends("RdBu_r"),
    "against and nothing": (ends("RdBu_r")[0], tuple(lookup_table("RdBu_r")[128].tolist())),
    "for and nothing": (ends("RdBu_r")[1], tuple(lookup_table("RdBu_r")[128].tolist())),
    "weak and strong activations": ends("viridis"),
    "weak and strong saliency": ends("hot"),
    "little and much drift": ends("magma"),
}


STYLE = (Path(lightning_cnnviz.page.__file__).parent / "static" / "style.css").read_text()


@pytest.mark.parametrize("vision", VISIONS)
def test_right_and_wrong_look_different_on_the_page_light_and_dark(vision: str) -> None:
    pairs = re.findall(r"--right: #(\w{6});\s+--wrong: #(\w{6});", STYLE)
    assert len(pairs) == 3, "light, dark as the system is, dark as TensorBoard is"
    for pair in pairs:
        right, wrong = (tuple(bytes.fromhex(color)) for color in pair)
        assert difference(right, wrong, vision) > DIFFERENT


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("meaning", MEANINGS)
def test_colors_that_mean_different_things_look_different(meaning: str, vision: str) -> None:
    assert difference(*MEANINGS[meaning], vision) > DIFFERENT


@pytest.mark.parametrize("vision", VISIONS)
def test_the_first_classes_of_masks_look_different(vision: str) -> None:
    colors = [class_color(index) for index in range(13)]
    pairs = [(one, other) for index, one in enumerate(colors) for other in colors[:index]]
    assert min(difference(*pair, vision) for pair in pairs) > DIFFERENT / 2


@pytest.mark.parametrize("vision", VISIONS)
def test_jet_says_more_by_its_opacity_than_by_its_order(vision: str) -> None:
    """Its two ends are both dark: over a picture the low one is not seen at all."""
    low, high = ends("jet")
    assert difference(low, high, vision) > DIFFERENT
