"""Photograph the page as README and docs show it.

    python docs/screenshots.py

Trains the MNIST example and one run of planted drift, opens both in a headless Chromium and writes page.png and
the three steps of the walk in docs/page.md to docs/images; about three minutes on one core, nothing to download.
Needs the extra `test` and Debian's chromium and chromium-driver.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from selenium.webdriver.common.by import By

PROJECT = Path(__file__).parents[1]
sys.path[:0] = [str(PROJECT), str(PROJECT / "examples")]

import mnist  # noqa: E402 - beside this folder
import planted_drift  # noqa: E402

from tests.helpers.browser import chromium  # noqa: E402
from tests.helpers.page import act, linked, show, until  # noqa: E402

IMAGES = PROJECT / "docs" / "images"
COLORS = 256


_IS_COMPLETE = """
const isInSight = (node) => {
  const { left, top } = node.getBoundingClientRect();
  return left < innerWidth && top < innerHeight;
};
const isWaiting = [...document.querySelectorAll('canvas.waiting, .film-frame:empty')].some(isInSight);
return !isWaiting && [...document.images].every((image) => image.complete);
"""


def window(driver: Any, width: int, height: int) -> None:
    """What is to be seen of a page, whatever the browser has around it."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def store(driver: Any, name: str, height: int | None = None) -> None:
    """The window, or its upper part, with few colors."""
    until(lambda: driver.execute_script(_IS_COMPLETE))
    picture = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
    picture = picture.crop((0, 0, picture.width, min(picture.height, height or picture.height)))
    picture.quantize(COLORS).save(IMAGES / name, optimize=True)


def first_picture(driver: Any, report: Path) -> None:
    """What README begins with."""
    window(driver, 1200, 800)
    show(driver, f"file://{report}")
    store(driver, "page.png")


def walk(driver: Any, report: Path) -> None:
    """From the last epoch to where it went wrong."""
    window(driver, 1200, 757)
    show(driver, f"file://{report}")
    store(driver, "walk_1.png")
    act(driver, driver.find_element(By.CSS_SELECTOR, ".alarms button").click)
    store(driver, "walk_2.png")
    act(driver, driver.find_element(By.CSS_SELECTOR, ".sheet tbody button").click)
    linked(driver, "view=film")
    store(driver, "walk_3.png", height=390)


def main() -> None:
    """Trains, opens and stores."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        mnist.main(["--log-dir", str(folder / "digits")])
        planted_drift.train(0, "swapped labels", folder / "drift")
        (digits,) = (folder / "digits").rglob("report.html")
        (swapped,) = (folder / "drift").rglob("report.html")
        with chromium(folder / "profile") as driver:
            first_picture(driver, digits)
            walk(driver, swapped)


if __name__ == "__main__":
    main()
