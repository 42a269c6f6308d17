"""The controls of the page, and where they lead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from lightning_cnnviz.page.report import report
from lightning_cnnviz.render.colormaps import lookup_table
from tests.helpers.browser import needs_chromium
from tests.helpers.page import VIEWS, act, clean, linked, now, pixels, press, show, until
from tests.helpers.records import CLASSES, HOSTILE, run_record

pytestmark = [pytest.mark.slow, needs_chromium]


def test_keys_and_buttons_move_along_the_epochs(browser: Any, address: str) -> None:
    show(browser, address, run="run a")
    body = browser.find_element(By.TAG_NAME, "body")
    assert now(browser) == "epoch 3 · step 400"
    act(browser, lambda: body.send_keys(Keys.ARROW_LEFT))
    assert now(browser) == "epoch 2 · step 300"
    assert linked(browser, "epoch=2")
    act(browser, lambda: body.send_keys(Keys.HOME))
    assert now(browser) == "untrained · step 0"
    slider = browser.find_element(By.CSS_SELECTOR, "input[aria-label=Epoch]")
    act(browser, lambda: slider.send_keys(Keys.ARROW_RIGHT))
    assert now(browser) == "epoch 0 · step 100"
    assert slider.get_attribute("aria-valuetext") == "epoch 0"
    act(browser, lambda: browser.find_element(By.CSS_SELECTOR, "[data-key=newest]").click())
    assert now(browser) == "epoch 3 · step 400"
    until(lambda: "epoch" not in browser.current_url)
    assert clean(browser)


def test_play_goes_to_the_end_and_stops(browser: Any, address: str) -> None:
    show(browser, address, run="run a", epoch="1")
    play = browser.find_element(By.CSS_SELECTOR, "[aria-label=Play]")
    play.click()
    until(lambda: (now(browser), play.get_attribute("aria-label")) == ("epoch 3 · step 400", "Play"))


def test_a_frame_of_the_film_leads_to_its_epoch(browser: Any, address: str) -> None:
    show(browser, address, run="run a", view="film", sample="1")
    frames = browser.find_elements(By.CSS_SELECTOR, ".film-frame")
    assert len(frames) == 5
    act(browser, frames[1].click)
    assert now(browser) == "epoch 0 · step 100"
    chosen = ".film-frame[aria-current]"
    # It is read after the last epoch, which is painted first.
    assert until(lambda: "✗ zero 60%" in browser.find_element(By.CSS_SELECTOR, chosen).text)


def test_a_cell_of_the_heat_table_leads_to_its_layer_and_epoch(browser: Any, address: str) -> None:
    show(browser, address, run="run a", view="layers")
    cell = browser.find_element(By.CSS_SELECTOR, '[aria-label="body, epoch 1: 0.368"]')
    act(browser, cell.click)
    assert now(browser) == "epoch 1 · step 200"
    assert browser.find_element(By.CSS_SELECTOR, "tr.chosen th").text == "body"
    focused = browser.switch_to.active_element
    focused.send_keys(Keys.ARROW_RIGHT)
    assert browser.switch_to.active_element.get_attribute("aria-label").startswith("body, epoch 2:")
    assert now(browser) == "epoch 1 · step 200", "walking through the table does not move the epoch"
    alarms = browser.find_elements(By.CSS_SELECTOR, ".heat .alarm")
    assert [alarm.get_attribute("aria-label") for alarm in alarms] == ["Alarm at epoch 2"]


def test_runs_stand_side_by_side(browser: Any, address: str) -> None:
    show(browser, address, run="run a", epoch="1")
    browser.find_element(By.CSS_SELECTOR, ".runs summary").click()
    other = browser.find_elements(By.CSS_SELECTOR, ".run-list input")[1]
    act(browser, other.click)
    sections = browser.find_elements(By.CSS_SELECTOR, "section.run")
    assert [section.get_attribute("aria-label") for section in sections] == ["run a", HOSTILE]
    assert sections[0].location["y"] == sections[1].location["y"]
    until(lambda: browser.current_url.count("run=") == 2)


def test_the_list_of_runs_marks_those_that_alarmed(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_bytes(report([run_record("calm", 1), run_record("run a", 4)]))
    show(browser, f"file://{path}", run="calm")
    browser.find_element(By.CSS_SELECTOR, ".runs summary").click()
    assert [label.text for label in browser.find_elements(By.CSS_SELECTOR, ".run-list label")] == ["calm", "run a!"]
    assert clean(browser)


def test_mistakes_and_confusion(browser: Any, address: str) -> None:
    show(browser, address, run="run a", epoch="0", view="answers")
    text = browser.find_element(By.TAG_NAME, "main").text
    assert "4 of 6 samples right (67%) at epoch 0" in text
    rows = browser.find_elements(By.CSS_SELECTOR, ".confusion tbody tr")
    assert [row.find_elements(By.TAG_NAME, "td")[0].text for row in rows] == ["2", "1", "1"]
    mistake = browser.find_element(By.CSS_SELECTOR, ".mistakes button")
    act(browser, mistake.click)
    assert linked(browser, "sample=1")


def test_an_alarm_leads_to_the_samples_that_changed_and_they_to_their_film(browser: Any, address: str) -> None:
    show(browser, address, run="run a", epoch="0")
    mark = browser.find_element(By.CSS_SELECTOR, ".alarms button")
    assert mark.get_attribute("aria-label") == "Alarm at epoch 2"
    act(browser, mark.click)
    assert now(browser) == "epoch 2 · step 300"
    rows = browser.find_elements(By.CSS_SELECTOR, ".sheet tbody tr")
    assert [row.text.split("\n")[-2:] for row in rows] == [["zero 60%", "one 60%"], ["one 60%", "zero 60%"]]
    drawn = pixels(browser, "2 of 6 samples changed their class, sample 4, epoch 1")
    assert (drawn[-1, -1] == lookup_table("jet")[255]).all()
    act(browser, rows[1].find_element(By.TAG_NAME, "button").click)
    assert linked(browser, "view=film")
    strips = browser.find_elements(By.CSS_SELECTOR, ".reel tbody tr")
    assert [strip.find_element(By.TAG_NAME, "th").text for strip in strips] == ["Sample 1, true one"]
    assert clean(browser)


def test_names_are_text_and_never_markup(browser: Any, address: str) -> None:
    for view in VIEWS:
        show(browser, address, view=view)
        assert browser.title != "pwned"
        assert not browser.find_elements(By.CSS_SELECTOR, "img[src=x]")
        assert clean(browser), view
    assert CLASSES[2] == HOSTILE
    show(browser, address, view="samples")
    assert HOSTILE in browser.find_element(By.TAG_NAME, "main").text


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [400, 1200, 2000])
def test_it_fits_and_follows_the_theme(browser: Any, address: str, width: int, dark: bool) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    try:
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [theme]})
        for view in VIEWS:
            show(browser, address, run="run a", view=view)
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width, view
        paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert paper == ("rgb(30, 31, 34)" if dark else "rgb(255, 255, 255)")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_step_of_the_slider_computes_little(browser: Any, address: str) -> None:
    show(browser, address, run="run a")
    # The clock of the page's own thread stands still while other processes have the core.
    browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    before = _seconds_of_tasks(browser)
    press(browser, *["ArrowLeft"] * 4)
    assert _seconds_of_tasks(browser) - before < 4 * 0.1


def _seconds_of_tasks(browser: Any) -> float:
    metrics = browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))
