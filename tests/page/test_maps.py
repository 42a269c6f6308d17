"""What a map shows: the pixels on its canvas, and what is said of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium.webdriver.common.by import By

from lightning_cnnviz.output.quantize import dequantized, quantized
from lightning_cnnviz.output.record import Group, Maps, Record, encode_look
from lightning_cnnviz.output.record_setup import Setup
from lightning_cnnviz.page.report import RunRecord, report
from lightning_cnnviz.render.colormaps import lookup_table
from lightning_cnnviz.render.maps import draw_maps
from tests.helpers.browser import needs_chromium
from tests.helpers.page import clean, move_over, pixels, show, with_opacity
from tests.helpers.records import HOSTILE, feature_maps, grad_cam

pytestmark = [pytest.mark.slow, needs_chromium]


def test_pixels_are_those_that_python_draws(browser: Any, address: str) -> None:
    show(browser, address, run="run a", epoch="3", sample="1")
    seen = dequantized(quantized(feature_maps(3)))
    expected = draw_maps(seen[1], colormap="viridis").cells
    for channel in range(5):
        drawn = pixels(browser, f"Feature maps of stem, sample 1, ch {channel}")
        assert np.abs(drawn.astype(int) - expected[channel]).max() <= 3, "the same row of the table, or the next one"
        assert (drawn == expected[channel]).mean() > 0.95
    assert clean(browser)


def test_smooth_maps_have_their_ends_on_the_canvas(browser: Any, address: str) -> None:
    show(browser, address, run="run a", epoch="3", sample="2")
    drawn = with_opacity(browser, "Grad-CAM of body, sample 2")
    assert drawn.shape == (192, 256, 4)
    assert drawn[0, 0, 3] == 0, "what is low tints nothing"
    assert drawn[-1, -1].tolist() == [*lookup_table("jet")[255], 255]
    middle = drawn[96, 128]
    assert middle[3] == pytest.approx(128, abs=2)
    assert np.abs(middle[:3].astype(int) - lookup_table("jet")[middle[3]]).max() <= 4


def test_what_is_not_finite_is_magenta(browser: Any, address: str) -> None:
    show(browser, address, run="run a", epoch="0", sample="0")
    drawn = pixels(browser, "Feature maps of stem, sample 0, ch 0")
    assert drawn[0, 0].tolist() == [255, 0, 255]
    assert (drawn.reshape(-1, 3)[1:] != [255, 0, 255]).any(axis=1).all()


@pytest.mark.parametrize(("scale", "highest"), [("map", 3), ("epoch", 12), ("run", 24)])
def test_scales_say_what_they_span(browser: Any, address: str, scale: str, highest: int) -> None:
    show(browser, address, run=HOSTILE if scale == "run" else "run a", epoch="2", sample="0", scale=scale)
    label = browser.find_element(By.CSS_SELECTOR, 'canvas[aria-label^="Grad-CAM"]').get_attribute("aria-label")
    # Sample 0 of epoch 2 peaks at 3, sample 3 at 12; in the last epoch of the longer run sample 3 peaks at 24.
    assert label.endswith(f"from 0 to {highest}")


def test_difference_to_an_epoch(browser: Any, address: str) -> None:
    show(browser, address, run="run a", epoch="3", sample="1", difference="1", scale="map")
    drawn = with_opacity(browser, "Grad-CAM of body, sample 1")
    difference = grad_cam(3)[1, 0] - grad_cam(1)[1, 0]
    table = lookup_table("RdBu_r")
    assert difference.max() == pytest.approx(4)
    assert drawn[-1, -1].tolist() == [*table[255], 255]
    assert drawn[0, 0, 3] <= 1, "where nothing changed nothing is tinted"
    assert "difference to epoch 1" in browser.page_source


def test_the_value_under_the_pointer(browser: Any, address: str) -> None:
    show(browser, address, run="run a", epoch="3", sample="1")
    move_over(browser, 'canvas[aria-label^="Grad-CAM"]', 1, 1)
    text = browser.find_element(By.CSS_SELECTOR, ".tooltip").text
    assert text.splitlines()[0] == "8"  # (sample 1 + 1) * (epoch 3 + 1)
    assert "row 2, column 3" in text


def test_a_map_lies_where_the_model_saw_the_picture(browser: Any, tmp_path: Path) -> None:
    pictures = [np.zeros((10, 20, 3), np.uint8), np.ones((10, 20, 3), np.uint8)]
    setup = Setup(pictures, boxes=[(5, 0, 15, 10), (20, 10, 0, 0)])
    ramp = np.arange(8, dtype=np.float32).reshape(2, 1, 2, 2) % 4
    maps = [Maps("grad_cam/body", ramp, title="Grad-CAM", over=True)]
    look = encode_look(Record(0.0, 0, [Group(setup)], maps=maps), 1)
    path = tmp_path / "report.html"
    path.write_bytes(report([RunRecord("run", dict(look.setups), [look.look])]))
    show(browser, f"file://{path}")
    places = browser.execute_script(
        "return [...document.querySelectorAll('.over')].map((frame) => {"
        "  const [outer, inner] = [frame, frame.querySelector('canvas')].map((node) => node.getBoundingClientRect());"
        "  return [(inner.left - outer.left) / outer.width, inner.width / outer.width, inner.height / outer.height,"
        "    frame.querySelector('canvas').style.transform];"
        "})"
    )
    assert places == [[0.25, 0.5, 1, "scale(1, 1)"], [0, 1, 1, "scale(-1, -1)"]]
    move_over(browser, 'canvas[aria-label^="Grad-CAM, sample 1"]', 0.25, 0.25)
    assert browser.find_element(By.CSS_SELECTOR, ".tooltip").text.startswith("3\n"), "mirrored and upside down"
