"""Our page in a browser."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from selenium.webdriver.common.by import By

VIEWS = ("samples", "film", "layers", "filters", "answers", "notes", "pictures")

_PIXELS = """
const canvas = [...document.querySelectorAll('canvas')].find((one) => one.ariaLabel.startsWith(arguments[0]));
if (canvas.matches('.waiting')) return null; // out of sight: it is painted a moment later
const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
return [canvas.height, canvas.width, [...data]];
"""

_PRESS = """
const done = arguments[arguments.length - 1], main = document.querySelector('main'), times = [];
(async () => {
  for (const key of arguments[0]) {
    const before = main.dataset.painted, started = performance.now();
    document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
    while (main.dataset.painted === before) await new Promise((next) => setTimeout(next));
    times.push(performance.now() - started);
  }
  done(times);
})();
"""


def show(driver: Any, address: str, **state: str) -> None:
    driver.get("about:blank")
    driver.get(address + "#" + "&".join(f"{key}={value}" for key, value in state.items()))
    painted(driver)


def painted(driver: Any, before: str | None = None) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        turn = driver.execute_script("return document.querySelector('main')?.dataset.painted ?? null")
        if turn not in (None, before):
            return
        time.sleep(0.02)
    raise TimeoutError("the page was not painted")


def act(driver: Any, action: Callable[[], object]) -> None:
    """Does something and waits until the page shows it."""
    before = driver.execute_script("return document.querySelector('main').dataset.painted")
    action()
    painted(driver, before)


def press(driver: Any, *keys: str) -> list[float]:
    """Presses keys, each as soon as the page shows what the one before did; how long each took, in milliseconds."""
    took: list[float] = driver.execute_async_script(_PRESS, keys)
    return took


def pixels(driver: Any, label: str) -> np.ndarray:
    """The colors on a canvas, (h, w, 3)."""
    return with_opacity(driver, label)[..., :3]


def with_opacity(driver: Any, label: str) -> np.ndarray:
    """The colors on a canvas with their opacity, (h, w, 4); colors of what is hardly opaque are rough."""
    height, width, data = until(lambda: driver.execute_script(_PIXELS, label))
    return np.array(data, np.uint8).reshape(height, width, 4)


def move_over(driver: Any, selector: str, across: float, down: float) -> None:
    """Puts the pointer inside an element, at shares of its width and height."""
    from selenium.webdriver.common.action_chains import ActionChains

    element = driver.find_element(By.CSS_SELECTOR, selector)
    driver.execute_script("arguments[0].scrollIntoView({ block: 'center' })", element)
    half = [element.size[side] / 2 - 2 for side in ("width", "height")]
    offset = [round((2 * share - 1) * most) for share, most in zip((across, down), half, strict=True)]
    ActionChains(driver).move_to_element_with_offset(element, *offset).perform()


def now(driver: Any) -> str:
    return driver.find_element(By.CSS_SELECTOR, "output.now").text


def until(condition: Callable[[], Any], timeout: float = 120.0) -> Any:
    """Waits for what may take several paints, as while older epochs are read behind the newest ones; what it was."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError("it did not come about")
        time.sleep(0.05)
    return found


def linked(driver: Any, part: str) -> bool:
    """Whether the address holds something, as it does a moment after it was chosen."""
    until(lambda: part in driver.current_url)
    return True


def clean(driver: Any) -> bool:
    return driver.get_log("browser") == [] and driver.find_element(By.CSS_SELECTOR, ".problem").text == ""
