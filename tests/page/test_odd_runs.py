"""What else than a whole run of a classifier the page is opened on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium.webdriver.common.by import By

from lightning_cnnviz.output.encoding import encode
from lightning_cnnviz.output.record import Finished, Group, Maps, Record, encode_look
from lightning_cnnviz.output.record_setup import Setup
from lightning_cnnviz.page.report import RunRecord, report
from tests.helpers.browser import needs_chromium
from tests.helpers.page import VIEWS, act, clean, linked, move_over, show, until, with_opacity
from tests.helpers.records import run_record

pytestmark = [pytest.mark.slow, needs_chromium]


def _page(directory: Path, *runs: RunRecord) -> str:
    path = directory / "report.html"
    path.write_bytes(report(runs))
    return f"file://{path}"


def _run(setup: Setup, **answers: Any) -> RunRecord:
    """One look at maps of the first two samples."""
    maps = [Maps("grad_cam/body", np.ones((2, 1, 2, 2), np.float32), title="Grad-CAM")]
    look = encode_look(Record(0.0, 0, [Group(setup, **answers)], maps=maps), 1)
    return RunRecord("run", dict(look.setups), [look.look])


def _text(driver: Any) -> str:
    return str(driver.find_element(By.TAG_NAME, "main").text)


def test_without_its_setups_a_run_shows_its_maps_and_says_what_is_missing(browser: Any, tmp_path: Path) -> None:
    run = run_record("run a", 3)
    run.setups.clear()
    address = _page(tmp_path, run)
    for view in VIEWS:
        show(browser, address, view=view)
        assert "The pictures of the samples of run a and their names are not there" in _text(browser), view
        assert "python -m lightning_cnnviz report" in _text(browser), view
        assert clean(browser), view
    show(browser, address, sample="1", epoch="0")
    assert "0 60%" in _text(browser), "classes have their numbers, where their names are lost"
    assert browser.find_elements(By.CSS_SELECTOR, 'canvas[aria-label^="Grad-CAM of body, sample 1"]')


def test_many_classes_with_long_names_stay_a_table_that_can_be_read(browser: Any, tmp_path: Path) -> None:
    count = 40
    names = [f"a class with a long name, number {index} " + "n" * 60 for index in range(count)]
    setup = Setup([np.full((4, 4, 3), index, np.uint8) for index in range(count)], list(range(count)), names)
    wrong = np.roll(np.eye(count), 1, axis=1)
    wrong[:8] = np.eye(count)[:8]
    show(browser, _page(tmp_path, _run(setup, probabilities=wrong)), view="answers")
    table = browser.find_element(By.CSS_SELECTOR, ".confusion")
    assert "the 30 of 40 classes with most mistakes" in table.text
    assert len(table.find_elements(By.CSS_SELECTOR, "tbody tr")) == 30
    assert table.find_element(By.CSS_SELECTOR, "thead").size["height"] < 220
    assert table.find_element(By.CSS_SELECTOR, "tbody tr").size["height"] < 60
    assert table.find_element(By.CSS_SELECTOR, "tbody th").get_attribute("title") in names
    assert clean(browser)


def test_a_run_without_samples_says_so_beside_one_with_samples(browser: Any, tmp_path: Path) -> None:
    look = encode_look(Record(0.0, 0, scalars={"drift/features/stem/previous": 0.5}), 1)
    bare = RunRecord("bare", dict(look.setups), [look.look])
    address = _page(tmp_path, bare, run_record("run a", 1))
    browser.get("about:blank")
    show(browser, f"{address}", run="bare&run=run a")
    first, second = browser.find_elements(By.CSS_SELECTOR, "section.run")
    assert "No samples were recorded." in first.text
    assert second.find_elements(By.TAG_NAME, "canvas")
    assert clean(browser)


def test_a_file_that_was_cut_off_says_so(browser: Any, tmp_path: Path) -> None:
    whole = report([run_record("run a", 3)])
    (tmp_path / "report.html").write_bytes(whole[: len(whole) // 2])
    browser.get(f"file://{tmp_path}/report.html")
    text = browser.find_element(By.CSS_SELECTOR, ".unfinished")
    until(lambda: float(text.value_of_css_property("opacity")) == 1)
    assert "cut off" in text.text


def test_answers_that_are_no_classes_are_mistakes_where_somebody_can_say_so(browser: Any, tmp_path: Path) -> None:
    setup = Setup([np.full((4, 4, 3), 20 * index, np.uint8) for index in range(3)])
    lines = [["a, b", "true a"], ["b", "true b"], ["c", "true a"]]
    judged = [(lines[0], False), (lines[1], True), (lines[2], False)]
    show(browser, _page(tmp_path, _run(setup, captions=judged)), view="answers")
    assert "1 of 3 samples right (33%) at epoch 0" in _text(browser)
    mistakes = browser.find_elements(By.CSS_SELECTOR, ".mistakes li")
    assert [mistake.text for mistake in mistakes] == ["✗ a, b\ntrue a\nsample 0", "✗ c\ntrue a\nsample 2"]
    act(browser, mistakes[1].find_element(By.TAG_NAME, "button").click)
    assert linked(browser, "sample=2")
    unjudged = [(line, None) for line in lines]
    show(browser, _page(tmp_path, _run(setup, captions=unjudged)), view="answers")
    assert "Whether the answers are right was not recorded" in _text(browser)
    assert clean(browser)


def test_a_mistake_whose_picture_is_not_kept_says_so(browser: Any, tmp_path: Path) -> None:
    setup = Setup([np.full((4, 4, 3), index, np.uint8) for index in range(66)], [0] * 65 + [1])
    probabilities = np.eye(2)[[1] + [0] * 65]
    show(browser, _page(tmp_path, _run(setup, probabilities=probabilities)), view="answers")
    mistakes = browser.find_elements(By.CSS_SELECTOR, ".mistakes li")
    said = ["✗ class 1 100%\ntrue 0\nsample 0", "only 64 pictures are kept\n✗ class 0 100%\ntrue 1\nsample 65"]
    assert [mistake.text for mistake in mistakes] == said
    assert [len(mistake.find_elements(By.TAG_NAME, "img")) for mistake in mistakes] == [1, 0]


def test_counts_of_confusion_stay_on_one_line_where_the_page_is_narrow(browser: Any, tmp_path: Path) -> None:
    setup = Setup([np.full((4, 4, 3), 90, np.uint8)] * 300, [index // 25 for index in range(300)])
    address = _page(tmp_path, _run(setup, probabilities=np.eye(12)[[index // 25 for index in range(300)]]))
    size = {"width": 390, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        show(browser, address, view="answers")
        cells = browser.find_elements(By.CSS_SELECTOR, ".confusion td.right")
        assert [cell.text for cell in cells] == ["25"] * 12
        lines = "const range = document.createRange(); range.selectNodeContents(arguments[0]);"
        lines += "return range.getClientRects().length"
        assert {browser.execute_script(lines, cell) for cell in cells} == {1}
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_samples_that_are_only_counted_have_no_row(browser: Any, tmp_path: Path) -> None:
    setup = Setup([np.full((4, 4, 3), 20 * index, np.uint8) for index in range(5)], [0, 1, 0, 1, 0])
    show(browser, _page(tmp_path, _run(setup, probabilities=np.eye(2)[[0, 0, 0, 0, 0]])))
    assert len(browser.find_elements(By.CSS_SELECTOR, ".sheet tbody tr")) == 2
    show(browser, browser.current_url.partition("#")[0], view="answers")
    assert "3 of 5 samples right" in _text(browser)


def test_a_class_without_a_name_and_its_probability_are_read_as_in_the_pictures(browser: Any, tmp_path: Path) -> None:
    setup = Setup([np.zeros((4, 4, 3), np.uint8)] * 2)
    probabilities = np.array([[(1 - surest) / 4095] * 4095 + [surest] for surest in (0.004, 1 / 4096)])
    show(browser, _page(tmp_path, _run(setup, probabilities=probabilities)))
    captions = browser.find_elements(By.CSS_SELECTOR, ".sheet figcaption span:first-child")
    assert [caption.text for caption in captions] == ["class 4095 0.4%", "class 0 <0.1%"]


@pytest.mark.parametrize("symmetric", [False, True])
def test_a_map_that_is_all_0_tints_nothing_and_a_constant_one_everything(
    browser: Any, tmp_path: Path, symmetric: bool
) -> None:
    setup = Setup([np.full((4, 4, 3), 90, np.uint8)] * 2)
    values = np.zeros((2, 1, 2, 2), np.float32)
    values[1] = 3.0
    maps = [Maps("grad_cam/body", values, title="Grad-CAM", symmetric=symmetric, over=True)]
    look = encode_look(Record(0.0, 0, [Group(setup)], maps=maps), 1)
    show(browser, _page(tmp_path, RunRecord("run", dict(look.setups), [look.look])), scale="map")
    opacities = [with_opacity(browser, f"Grad-CAM, sample {sample}")[..., 3] for sample in range(2)]
    assert opacities[0].max() <= 1
    assert opacities[1].min() == 255


def test_a_name_from_right_to_left_leaves_the_numbers_alone(browser: Any, tmp_path: Path) -> None:
    setup = Setup([np.zeros((4, 4, 3), np.uint8)] * 2, [0, 1], ["\u202eabc", "شاحنة"])
    show(browser, _page(tmp_path, _run(setup, probabilities=np.eye(2)[[0, 1]])))
    lines = browser.find_elements(By.CSS_SELECTOR, ".sheet figcaption span.right")
    assert [line.text for line in lines] == ["✓ \u2068\u202eabc\u2069 100%", "✓ \u2068شاحنة\u2069 100%"]
    edges = browser.execute_script(
        "return [...document.querySelectorAll('.sheet figcaption span.right')].map(({ firstChild: text }) => {"
        "  const of = (from, to) => { const range = document.createRange();"
        "    range.setStart(text, from); range.setEnd(text, to); return range.getBoundingClientRect(); };"
        "  return of(text.length - 4, text.length).left >= of(2, text.length - 5).right - 1;"
        "})"
    )
    assert edges == [True, True], "the percentage stands behind the name"


def test_masks_have_the_colors_of_their_classes(browser: Any, tmp_path: Path) -> None:
    setup = Setup([np.full((4, 4, 3), 90, np.uint8)])
    mask = np.array([[[[0, 3], [np.nan, 3]]]], np.float32)
    classes = [(0, "sky", (86, 180, 233)), (3, "<b>road", (1, 2, 3))]
    looks = [
        encode_look(
            Record(0.0, epoch, [Group(setup)], maps=[Maps("predictions", mask, over=True, classes=classes)]), epoch
        )
        for epoch in range(2)
    ]
    run = RunRecord("run", dict(looks[0].setups), [look.look for look in looks])
    show(browser, _page(tmp_path, run), difference="0")
    drawn = with_opacity(browser, "predictions, sample 0")
    assert drawn.tolist() == [[[86, 180, 233, 255], [1, 2, 3, 255]], [[0, 0, 0, 0], [1, 2, 3, 255]]]
    assert not browser.find_elements(By.CSS_SELECTOR, ".defect")
    assert [entry.text for entry in browser.find_elements(By.CSS_SELECTOR, ".classes li")] == ["sky", "<b>road"]
    move_over(browser, "canvas", 1, 0)
    assert browser.find_element(By.CSS_SELECTOR, ".tooltip").text.startswith("<b>road\n")
    assert clean(browser)


def test_pictures_without_numbers_are_shown_as_of_the_chosen_epoch(browser: Any, tmp_path: Path) -> None:
    own, other = (encode(np.full((3, side, 3), 90, np.uint8)) for side in (5, 7))
    given = [[Finished("mine", own, "View")], [Finished("mine", other), Finished("late", own)], [Finished("mine", own)]]
    records = [Record(0.0, epoch, pictures=pictures) for epoch, pictures in enumerate(given)]
    looks = [encode_look(record, epoch).look for epoch, record in enumerate(records)]
    looks[2][1] = b""  # as a report leaves it out
    address = _page(tmp_path, RunRecord("run", dict(encode_look(records[0], 0).setups), looks))
    for epoch, widths in (
        ("0", {"mine, epoch 0": 5, "late, epoch 1": 5}),
        ("2", {"mine, epoch 1": 7, "late, epoch 1": 5}),
    ):
        show(browser, address, view="pictures", epoch=epoch)
        found = browser.execute_script(
            "return Promise.all([...document.querySelectorAll('.picture')].map(async (figure) => {"
            "  const image = figure.querySelector('img'); await image.decode();"
            "  return [figure.querySelector('figcaption').textContent, image.naturalWidth]; }))"
        )
        assert dict(found) == widths
    assert clean(browser)


@pytest.mark.parametrize("view", ["layers", "film"])
def test_of_a_long_run_the_chosen_epoch_is_in_sight(browser: Any, tmp_path: Path, view: str) -> None:
    address = _page(tmp_path, run_record("run", 50))
    for epoch in ("49", "2", "30"):
        show(browser, address, view=view, epoch=epoch)
        until(
            lambda: browser.execute_script(
                "const [box, cell] = ['main .wide', 'main thead [aria-current]']"
                ".map((selector) => document.querySelector(selector).getBoundingClientRect());"
                "return cell.left > box.left && cell.right <= box.right + 1"
            )
        )
