"""Photograph the page and TensorBoard as README and docs show them.

    python docs/screenshots.py

Trains the MNIST example and one run of planted drift, opens both in a headless Chromium and writes page.png,
tensorboard.jpg and the three steps of the walk in docs/page.md; about three minutes on one core, nothing to download.
Needs the extra `test` and Debian's chromium and chromium-driver.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from PIL import Image
from selenium.webdriver.common.by import By

PROJECT = Path(__file__).parents[1]
sys.path[:0] = [str(PROJECT), str(PROJECT / "examples")]

import mnist  # noqa: E402 - beside this folder
import planted_drift  # noqa: E402

from tests.helpers.browser import chromium, read_pictures, tensorboard  # noqa: E402
from tests.helpers.page import act, linked, show, until  # noqa: E402
from tests.helpers.plugin import answer_of, with_plugin  # noqa: E402

IMAGES = PROJECT / "docs" / "images"
COLORS, QUALITY = 256, 85
LOGS = "lightning_logs"
STEPS = 784  # of the last look of the example


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
    """The window, or its upper part: as PNG with few colors, or as JPEG."""
    until(lambda: driver.execute_script(_IS_COMPLETE))
    picture = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
    picture = picture.crop((0, 0, picture.width, min(picture.height, height or picture.height)))
    if name.endswith(".png"):
        picture.quantize(COLORS).save(IMAGES / name, optimize=True)
    else:
        picture.save(IMAGES / name, quality=QUALITY)


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


def images_page(driver: Any, logs: str, entry: Path) -> None:
    """TensorBoard's own page, once it has read the last look."""
    window(driver, 1540, 1107)
    with tensorboard(Path(logs), environment=with_plugin(entry)) as address:
        data = f"{address.partition('?')[0]}data/plugin/"

        def last_steps() -> set[int]:
            shown = [
                answer_of(f"{data}images/images?{urlencode({'run': run, 'tag': tag, 'sample': 0})}")
                for run, tags in answer_of(f"{data}images/tags").items()
                for tag in tags
            ]
            return {steps[-1]["step"] for steps in shown}

        until(lambda: last_steps() == {STEPS})
        driver.get(address)
        read_pictures(driver, wanted=6)
        store(driver, "tensorboard.jpg")


def main() -> None:
    """Trains, opens and stores."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.chdir(folder)  # TensorBoard shows the directory as it is given
        mnist.main(["--log-dir", LOGS])
        planted_drift.train(0, "swapped labels", folder / "drift")
        (digits,) = (folder / LOGS).rglob("report.html")
        (swapped,) = (folder / "drift").rglob("report.html")
        with chromium(folder / "profile") as driver:
            first_picture(driver, digits)
            walk(driver, swapped)
            images_page(driver, LOGS, folder / "entry")


if __name__ == "__main__":
    main()
