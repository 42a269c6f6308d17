"""How sure the model is, as the page writes it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium.webdriver.common.by import By

import lightning_cnnviz.page
from lightning_cnnviz.output.record import Group, Maps, Record, encode_look
from lightning_cnnviz.output.record_setup import Setup
from lightning_cnnviz.page.report import RunRecord, report
from lightning_cnnviz.views.captions import percent
from tests.helpers.browser import needs_chromium
from tests.helpers.page import clean, show

pytestmark = [pytest.mark.slow, needs_chromium]

_DOM = Path(lightning_cnnviz.page.__file__).parent / "static" / "dom.js"
_IMPORT = """
const [source, values, done] = arguments;
const module = import(`data:text/javascript;base64,${source}`);
module.then(({ percent }) => done(values.map(percent)), (error) => done(String(error)));
"""


def written(browser: Any, values: list[float]) -> list[str]:
    """What the page makes of probabilities."""
    browser.get("about:blank")
    found: list[str] = browser.execute_async_script(_IMPORT, base64.b64encode(_DOM.read_bytes()).decode(), values)
    return found


def test_percents_have_as_many_digits_as_one_reads(browser: Any) -> None:
    values = {
        0.0: "0%",
        1e-30: "<0.1%",
        0.00049: "<0.1%",
        0.0005: "0.1%",
        0.0025: "0.3%",
        0.0099: "1.0%",
        0.01: "1%",
        0.125: "13%",
        0.375: "38%",
        0.999: "100%",
        1.0: "100%",
    }
    assert written(browser, list(values)) == list(values.values())


def test_the_page_and_the_pictures_write_the_same_percents(browser: Any) -> None:
    values = [count / 400 for count in range(401)] + [count / 80_000 for count in range(801)]
    assert written(browser, values) == [percent(value) for value in values]


def test_a_probability_of_very_many_classes_is_not_zero_on_the_page(browser: Any, tmp_path: Path) -> None:
    _open(browser, tmp_path, np.full((2, 25_000), 1 / 25_000), view="samples")
    assert _captions(browser)[0] == "✓ class 0 <0.1%"


def test_an_output_that_is_not_finite_is_no_right_answer(browser: Any, tmp_path: Path) -> None:
    probabilities = np.array([[np.nan, np.nan], [0.25, 0.75]])
    _open(browser, tmp_path, probabilities, view="samples")
    assert _captions(browser) == ["✗ not finite", "✓ class 1 75%"]
    _open(browser, tmp_path, probabilities, view="answers")
    assert "1 of 2 samples right (50%)" in browser.find_element(By.TAG_NAME, "main").text
    assert "of 1 the output is not finite" in browser.find_element(By.CSS_SELECTOR, ".confusion caption").text
    assert [cell.text for cell in browser.find_elements(By.CSS_SELECTOR, ".confusion td")] == ["1"]
    assert clean(browser)


def _open(browser: Any, directory: Path, probabilities: np.ndarray, view: str) -> None:
    """A page with two samples, of the classes 0 and 1."""
    setup = Setup([np.full((4, 4, 3), 90, np.uint8)] * 2, [0, 1])
    maps = [Maps("grad_cam/body", np.ones((2, 1, 2, 2), np.float32), title="Grad-CAM")]
    look = encode_look(Record(0.0, 0, [Group(setup, probabilities)], maps=maps), 1)
    path = directory / "report.html"
    path.write_bytes(report([RunRecord("run", dict(look.setups), [look.look])]))
    show(browser, f"file://{path}", view=view)


def _captions(browser: Any) -> list[str]:
    return [line.text for line in browser.find_elements(By.CSS_SELECTOR, ".sheet figcaption span:first-child")]
