"""Every control of the page, reached and moved by keys alone."""

from __future__ import annotations

from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from lightning_cnnviz.page.report import report
from tests.helpers.browser import needs_chromium
from tests.helpers.page import act, clean, linked, now, show, until
from tests.helpers.records import run_record

pytestmark = [pytest.mark.slow, needs_chromium]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_bytes(report([run_record("run a", 4), run_record("run b", 4)]))
    return f"file://{path}"


def _press(driver: Any, selector: str, key: str) -> None:
    """Goes to a control by the tab key, as somebody without a mouse does, and presses a key; the focus stays there."""
    driver.execute_script("document.activeElement.blur(); document.body.focus()")
    wanted = driver.find_element(By.CSS_SELECTOR, selector)
    for _ in range(200):
        driver.switch_to.active_element.send_keys(Keys.TAB)
        if driver.switch_to.active_element == wanted:
            break
    else:
        raise AssertionError(f"no tab leads to {selector}")
    act(driver, lambda: driver.switch_to.active_element.send_keys(key))


def _focused(driver: Any) -> str:
    return str(driver.execute_script("return document.activeElement.dataset.key ?? ''"))


@pytest.mark.parametrize(
    ("selector", "key", "becomes"),
    [
        ('[aria-label="One look back"]', Keys.ENTER, "epoch=0"),
        ('[aria-label="One look on"]', Keys.SPACE, "epoch=2"),
        ("input[aria-label=Epoch]", Keys.ARROW_LEFT, "epoch=0"),
        ('[data-key="choice/Sample"]', Keys.ARROW_DOWN, "sample=0"),
        ('[data-key="choice/Scale"]', Keys.ARROW_DOWN, "scale=epoch"),
        ('[data-key="choice/Colors"]', Keys.ARROW_DOWN, "colormap=viridis"),
        ('[data-key="choice/Difference to"]', Keys.ARROW_DOWN, "difference=-1"),
        ('[data-key="opacity"]', Keys.ARROW_RIGHT, "opacity=0.65"),
    ],
)
def test_what_stands_above_the_views(browser: Any, address: str, selector: str, key: str, becomes: str) -> None:
    show(browser, address, run="run a", epoch="1")
    expected = browser.find_element(By.CSS_SELECTOR, selector).get_attribute("data-key")
    _press(browser, selector, key)
    assert linked(browser, becomes)
    assert _focused(browser) == expected, "so that the next key does the same"
    assert clean(browser)


def test_newest_and_play(browser: Any, address: str) -> None:
    show(browser, address, run="run a", epoch="1")
    _press(browser, "[data-key=Play]", Keys.ENTER)
    until(lambda: now(browser).startswith("epoch 3"))
    show(browser, address, run="run a", epoch="1")
    browser.find_element(By.TAG_NAME, "body").send_keys("p")
    until(lambda: now(browser).startswith("epoch 3"))
    show(browser, address, run="run a", epoch="1")
    _press(browser, "[data-key=newest]", Keys.ENTER)
    assert now(browser).startswith("epoch 3")


def test_runs_are_ticked(browser: Any, address: str) -> None:
    show(browser, address, run="run a")
    browser.find_element(By.CSS_SELECTOR, ".runs summary").send_keys(Keys.ENTER)
    _press(browser, '[data-key="run/run b"]', Keys.SPACE)
    assert len(browser.find_elements(By.CSS_SELECTOR, "section.run")) == 2
    assert _focused(browser) == "run/run b"


@pytest.mark.parametrize(
    ("view", "selector", "becomes"),
    [
        ("samples", ".sheet .plain", "sample=0"),
        ("film", ".film-frame", "epoch=-1"),
        ("film", ".reel .plain", "sample=0"),
        ("layers", ".heat .alarm", "view=notes"),
        ("layers", '.heat-cell[tabindex="0"]', "layer=stem"),
        ("answers", ".mistakes .plain", "sample="),
        ("notes", ".alarms .alarm", "epoch=2"),
        ("samples", "nav a:nth-child(2)", "view=film"),
    ],
)
def test_what_stands_in_the_views(browser: Any, address: str, view: str, selector: str, becomes: str) -> None:
    show(browser, address, run="run a", epoch="0", view=view)
    _press(browser, selector, Keys.ENTER)
    assert linked(browser, becomes)
    assert clean(browser)


def test_the_question_mark_opens(browser: Any, address: str) -> None:
    show(browser, address, run="run a")
    mark = browser.find_element(By.CSS_SELECTOR, ".help summary")
    mark.send_keys(Keys.ENTER)
    assert "Red speaks for the class." in browser.find_element(By.CSS_SELECTOR, ".help p").text
