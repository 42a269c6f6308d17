"""The page in TensorBoard, in a browser."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.helpers.browser import chromium, enter_frame, needs_chromium, tensorboard
from tests.helpers.page import linked, now, painted, pixels, press, until
from tests.helpers.plugin import READY, answer_of, until_loaded, with_plugin
from tests.helpers.records import encoded_looks, write_run

pytestmark = [pytest.mark.slow, needs_chromium]

AHEAD = 3
"""How many epochs the page reads ahead."""


@pytest.mark.parametrize("fast", ["true", "false"])
def test_tensorboard_shows_the_page(tmp_path: Path, fast: str) -> None:
    write_run(tmp_path / "logs" / "version_0", encoded_looks(40))
    write_run(tmp_path / "logs" / "version_1", encoded_looks(3))
    _write_pictures_only(tmp_path / "logs" / "before")
    environment = with_plugin(tmp_path / "entry")
    served = tensorboard(tmp_path / "logs", f"--load_fast={fast}", page="cnnviz", environment=environment, ready=READY)
    with served as address, chromium(tmp_path / "profile") as driver:
        plugin = address.partition("?")[0] + "data/plugin/cnnviz"
        until_loaded(f"{plugin}/runs", {"version_0": (41, 0), "version_1": (4, 0), "before": (0, 2)})
        listed = answer_of(address.partition("?")[0] + "data/plugins_listing")
        assert listed["cnnviz"]["enabled"] is True
        driver.get(f"{address}&p.cnnviz.run=version_0")
        enter_frame(driver)
        painted(driver)
        assert now(driver) == "epoch 39 · step 4,000"
        body = driver.find_element(By.TAG_NAME, "body")
        body.send_keys(Keys.ARROW_LEFT)
        until(lambda: now(driver) == "epoch 38 · step 3,900")
        drawn = pixels(driver, "Feature maps of stem, sample 0")
        assert drawn.shape == (6, 8, 3)
        pictures = driver.execute_script(
            "return Promise.all([...document.images].map((image) => image.decode().then(() => image.naturalWidth)))"
        )
        assert set(pictures) == {16}
        driver.switch_to.default_content()
        assert linked(driver, "p.cnnviz.epoch=38")
        assert [line for line in driver.get_log("browser") if "plugin/cnnviz" in line["message"]] == []
        driver.get(f"{address}&p.cnnviz.run=before")
        driver.refresh()
        enter_frame(driver)
        painted(driver)
        until(lambda: driver.find_elements(By.CSS_SELECTOR, ".picture img"))
        assert "pictures only" in driver.find_element(By.TAG_NAME, "main").text
        image = driver.find_element(By.CSS_SELECTOR, ".picture img")
        assert driver.execute_script("return arguments[0].decode().then(() => arguments[0].naturalWidth)", image) == 9


def test_of_many_long_runs_only_what_is_shown_is_read(tmp_path: Path) -> None:
    runs, epochs = 20, 200
    looks = list(encoded_looks(epochs))
    for run in range(runs):
        write_run(tmp_path / "logs" / f"version_{run}", looks)
    environment = with_plugin(tmp_path / "entry")
    served = tensorboard(tmp_path / "logs", "--load_fast=true", page="cnnviz", environment=environment, ready=READY)
    with served as address, chromium(tmp_path / "profile") as driver:
        plugin = address.partition("?")[0] + "data/plugin/cnnviz"
        until_loaded(f"{plugin}/runs", {f"version_{run}": (epochs + 1, 0) for run in range(runs)})
        driver.get(f"{address}&p.cnnviz.run=version_7")
        enter_frame(driver)
        painted(driver)
        assert now(driver) == "epoch 199 · step 20,000"
        slider = driver.find_element(By.CSS_SELECTOR, "input[aria-label=Epoch]")
        until(lambda: slider.get_attribute("max") == str(epochs))
        body = driver.find_element(By.TAG_NAME, "body")
        body.send_keys(Keys.HOME)
        until(lambda: now(driver) == "untrained · step 0")
        names = driver.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
        asked = [parse_qs(urlsplit(name).query) for name in names if "/looks?" in name]
        assert {query["run"][0] for query in asked} == {"version_7"}
        windows = [(int(query["from"][0]), int(query["to"][0])) for query in asked]
        assert windows == [(191, 201), (141, 191), (91, 141), (41, 91), (0, 41)], "the newest ones first, then the rest"
        requests = sum(name.endswith("/blobs") for name in names)
        assert 0 < requests <= 2 * (1 + AHEAD), "one for each of two epochs shown, and for each of the next ones"
        assert [line for line in driver.get_log("browser") if "plugin/cnnviz" in line["message"]] == []


@pytest.mark.parametrize("fast", ["true", "false"])
def test_a_step_of_the_slider_costs_one_request_however_many_maps_and_runs_there_are(tmp_path: Path, fast: str) -> None:
    for name in ("one", "two"):
        write_run(tmp_path / "logs" / name, encoded_looks(20))
    environment = with_plugin(tmp_path / "entry")
    served = tensorboard(tmp_path / "logs", f"--load_fast={fast}", page="cnnviz", environment=environment, ready=READY)
    with served as address, chromium(tmp_path / "profile") as driver:
        plugin = address.partition("?")[0] + "data/plugin/cnnviz"
        until_loaded(f"{plugin}/runs", {"one": (21, 0), "two": (21, 0)})
        driver.get(f"{address}&p.cnnviz.run=one&p.cnnviz.run=two&p.cnnviz.epoch=10")
        enter_frame(driver)
        painted(driver)
        slider = driver.find_element(By.CSS_SELECTOR, "input[aria-label=Epoch]")
        until(lambda: slider.get_attribute("max") == "20" and now(driver).startswith("epoch 10"))
        press(driver, *["ArrowRight"] * 8, *["ArrowLeft"] * 6)
        assert now(driver).startswith("epoch 12")
        names = driver.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
        requests = sum(name.endswith("/blobs") for name in names)
        assert 0 < requests <= 9 + 2 * AHEAD, "both runs at each of nine epochs, and at the next ones on each side"
        assert [line for line in driver.get_log("browser") if "plugin/cnnviz" in line["message"]] == []


def _write_pictures_only(directory: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(directory)) as writer:
        writer.add_image("grad_cam/body", np.zeros((9, 9, 3), np.uint8), 5, dataformats="HWC")
        writer.add_image("cnnviz/2 looks/of_a_view/of_ones_own", np.zeros((9, 9, 3), np.uint8), 5, dataformats="HWC")
        writer.add_image("of/another/tool", np.zeros((9, 9, 3), np.uint8), 5, dataformats="HWC")
