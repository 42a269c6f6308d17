from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from lightning_cnnviz.output.quantize import dequantized, quantized
from lightning_cnnviz.output.record import Group, Maps, Record, encode_look
from lightning_cnnviz.output.record_setup import Setup
from lightning_cnnviz.page.report import RunRecord, report
from lightning_cnnviz.render.colormaps import lookup_table
from lightning_cnnviz.render.maps import draw_maps
from tests.helpers.browser import needs_chromium
from tests.helpers.page import act, clean, linked, move_over, now, pixels, show, until, with_opacity
from tests.helpers.records import CLASSES, HOSTILE, feature_maps, grad_cam, run_record

pytestmark = [pytest.mark.slow, needs_chromium]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_bytes(report([run_record("run a", 4), run_record(HOSTILE, 6)]))
    return f"file://{path}"


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
    deadline = time.monotonic() + 120
    while (now(browser), play.get_attribute("aria-label")) != ("epoch 3 · step 400", "Play"):
        assert time.monotonic() < deadline, now(browser)
        time.sleep(0.1)


def test_the_value_under_the_pointer(browser: Any, address: str) -> None:
    show(browser, address, run="run a", epoch="3", sample="1")
    move_over(browser, 'canvas[aria-label^="Grad-CAM"]', 1, 1)
    text = browser.find_element(By.CSS_SELECTOR, ".tooltip").text
    assert text.splitlines()[0] == "8"  # (sample 1 + 1) * (epoch 3 + 1)
    assert "row 2, column 3" in text


def test_a_frame_of_the_film_leads_to_its_epoch(browser: Any, address: str) -> None:
    show(browser, address, run="run a", view="film", sample="1")
    frames = browser.find_elements(By.CSS_SELECTOR, ".film-frame")
    assert len(frames) == 5
    act(browser, frames[1].click)
    assert now(browser) == "epoch 0 · step 100"
    assert "✗ zero 60%" in browser.find_element(By.CSS_SELECTOR, ".film-frame[aria-current]").text


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
        "✓ 0 100%",
        "✓ 1 100%",
        "✓ 0 100%",
        "✗ 0 100%",
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


def test_names_are_text_and_never_markup(browser: Any, address: str) -> None:
    for view in ("samples", "film", "layers", "filters", "answers", "notes", "pictures"):
        show(browser, address, view=view)
        assert browser.title != "pwned"
        assert not browser.find_elements(By.CSS_SELECTOR, "img[src=x]")
        assert clean(browser), view
    assert CLASSES[2] == HOSTILE
    show(browser, address, view="samples")
    assert HOSTILE in browser.find_element(By.TAG_NAME, "main").text


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [400, 2000])
def test_it_fits_and_follows_the_theme(browser: Any, address: str, width: int, dark: bool) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    try:
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [theme]})
        for view in ("samples", "film", "layers", "filters", "answers", "notes"):
            show(browser, address, run="run a", view=view)
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width, view
        paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert paper == ("rgb(30, 31, 34)" if dark else "rgb(255, 255, 255)")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_step_of_the_slider_is_quick(browser: Any, address: str) -> None:
    show(browser, address, run="run a")
    took = browser.execute_async_script(
        """
        const done = arguments[0], main = document.querySelector('main'), times = [];
        (async () => {
          for (let i = 0; i < 4; i++) {
            const before = main.dataset.painted, started = performance.now();
            document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowLeft', bubbles: true }));
            while (main.dataset.painted === before) await new Promise((next) => setTimeout(next));
            times.push(performance.now() - started);
          }
          done(times);
        })();
        """
    )
    assert sorted(took)[1] < 200, took
