from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightning_cnnviz.output.artifacts import RGB, Note, Picture
from lightning_cnnviz.output.files import FileSink
from tests.helpers.browser import chromium, needs_chromium


def shade(value: int) -> RGB:
    return np.full((60, 90, 3), value, np.uint8)


def listed(directory: Path) -> Any:
    page = (directory / "index.html").read_text(encoding="utf-8")
    [content] = re.findall(r'<script type="application/json" id="files">(.*?)</script>', page, flags=re.S)
    return json.loads(content)


def test_the_page_lists_every_picture_and_note(tmp_path: Path) -> None:
    sink = FileSink(tmp_path)
    sink.write(Picture("filters/conv_1", shade(9)), 5)
    sink.write(Picture("filters/conv_1", shade(9), format="jpeg"), 10)
    sink.write(Note("alarms", "text"), 1234567)
    sink.flush()
    assert listed(tmp_path) == {
        "pictures": {"filters/conv_1": [[5, "png"], [10, "jpeg"]]},
        "notes": {"alarms": [[1234567, "md"]]},
    }


def test_what_an_earlier_run_left_there_is_shown_too(tmp_path: Path) -> None:
    FileSink(tmp_path).write(Picture("a", shade(9)), 5)
    resumed = FileSink(tmp_path)
    resumed.write(Picture("a", shade(9)), 7)
    resumed.flush()
    assert listed(tmp_path)["pictures"] == {"a": [[5, "png"], [7, "png"]]}


def test_nothing_new_writes_nothing(tmp_path: Path) -> None:
    sink = FileSink(tmp_path)
    sink.flush()
    assert list(tmp_path.iterdir()) == []
    sink.write(Picture("a", shade(9)), 5)
    sink.flush()
    (tmp_path / "index.html").unlink()
    sink.flush()
    assert not (tmp_path / "index.html").exists()


@pytest.mark.slow
@needs_chromium
def test_a_browser_shows_the_pictures_of_each_step(tmp_path: Path) -> None:
    hostile = "</script><b>&'#%25 狗"
    sink = FileSink(tmp_path / "run")
    for step in (0, 5, 10):
        sink.write(Picture("predictions", shade(step)), step)
        if step:
            sink.write(Picture(f"own view/{hostile}", shade(100)), 5)
    sink.write(Note("alarms", "text"), 10)
    sink.flush()
    with chromium(tmp_path / "profile") as driver:
        driver.get((tmp_path / "run" / "index.html").as_uri())
        assert shown(driver) == [(f"own view/{hostile}, of step 5", 90), ("predictions", 90)]
        driver.find_element("css selector", "input").send_keys("\ue011")  # Home
        assert shown(driver) == [("predictions", 90)]
        driver.find_element("css selector", "input").send_keys("\ue014")  # right arrow
        assert driver.find_element("css selector", "output").text == "5"
        assert driver.find_element("css selector", "footer a").get_attribute("href").endswith("/alarms_000010.md")


def shown(driver: Any) -> list[tuple[str, int]]:
    """The visible pictures with their captions, and how wide they came out."""
    return [
        (figure.find_element("css selector", "figcaption").text, width)
        for figure in driver.find_elements("css selector", "figure:not([hidden])")
        if (width := driver.execute_async_script(_LOADED, figure.find_element("css selector", "img")))
    ]


_LOADED = "const [image, done] = arguments; image.decode().then(() => done(image.naturalWidth), () => done(-1));"
