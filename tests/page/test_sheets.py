"""Which pictures stand together in one table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium.webdriver.common.by import By

from lightning_cnnviz.output.record import Group, Maps, Record, encode_look
from lightning_cnnviz.output.record_setup import Setup
from lightning_cnnviz.page.report import RunRecord, report
from tests.helpers.browser import needs_chromium
from tests.helpers.page import act, clean, linked, show

pytestmark = [pytest.mark.slow, needs_chromium]


def test_samples_that_others_begin_with_are_the_same_and_others_have_a_table_of_their_own(
    browser: Any, tmp_path: Path
) -> None:
    pictures = [np.full((4, 4, 3), 20 * index, np.uint8) for index in range(6)]
    sets = [Setup(pictures[:2], [0, 1]), Setup(pictures[:4], [0, 1, 0, 1]), Setup(pictures[4:], [1, 0])]
    groups = [Group(setup, name="kept" if setup is sets[2] else "") for setup in sets]
    groups[1] = Group(sets[1], np.eye(2)[[0, 1, 0, 0]], [0, 1, 0, 0])
    groups.append(Group(sets[2], captions=[(["predicted 3.5", "true 3"], None), (["predicted 1"], False)], name="kept"))
    maps = [
        Maps(f"map {number}", np.full((len(sets[number].pictures), 1, 2, 2), number, np.float32), group=number)
        for number in (0, 1, 2)
    ]
    look = encode_look(Record(0.0, 0, groups, maps=maps), 1)
    path = tmp_path / "report.html"
    path.write_bytes(report([RunRecord("run", dict(look.setups), [look.look])]))
    show(browser, f"file://{path}")
    first, second = browser.find_elements(By.CSS_SELECTOR, ".sheet")
    assert [row.text.split("\n")[0] for row in first.find_elements(By.CSS_SELECTOR, "tbody tr")] == [
        "✓ class 0 100%",
        "✓ class 1 100%",
        "✓ class 0 100%",
        "✗ class 0 100%",
    ]
    assert len(first.find_elements(By.CSS_SELECTOR, "canvas")) == 6, "two of the first map, four of the second"
    assert "predicted 3.5\ntrue 3" in second.text
    assert "✗ predicted 1" in second.text
    act(browser, second.find_elements(By.TAG_NAME, "button")[1].click)
    assert linked(browser, "sample=1.1")
    assert len(browser.find_elements(By.CSS_SELECTOR, "main canvas")) == 1
    assert clean(browser)


def test_sheets_of_other_pictures_stand_for_themselves(browser: Any, tmp_path: Path) -> None:
    setups = [Setup([np.full((4, 4, 3), 9 * index + place, np.uint8) for index in range(2)]) for place in range(2)]
    run = RunRecord("run")
    for epoch, setup in enumerate(setups):
        groups = [
            Group(setup, captions=[(["cat", "97%"], None), (["dog", "60%"], False)], name="prototypes", is_own=True)
        ]
        change = np.array([[[[epoch + 1.0, 0.0]]], [[[0.0, 0.0]]]], np.float32)
        maps = [Maps("prototypes (change)", change, title="Classes", columns=["change"], symmetric=True)]
        look = encode_look(Record(0.0, epoch, groups, maps=maps), epoch)
        run.setups.update(look.setups)
        run.looks.append(look.look)
    path = tmp_path / "report.html"
    path.write_bytes(report([run]))
    show(browser, f"file://{path}", view="filters", epoch="0")
    text = browser.find_element(By.TAG_NAME, "main").text
    assert "Classes" in text
    assert "as of epoch 0" in text
    assert "cat\n97%" in text
    assert "✗ dog\n60%" in text
    assert [badge.text for badge in browser.find_elements(By.CSS_SELECTOR, ".defect")] == ["all 0"]
    label = browser.find_element(By.CSS_SELECTOR, "canvas").get_attribute("aria-label")
    assert label == "Classes, sample 0, change, epoch 0; colors from -1 to 1"
    show(browser, f"file://{path}", view="samples")
    assert not browser.find_elements(By.CSS_SELECTOR, "main canvas"), "they are no samples"
    assert clean(browser)
