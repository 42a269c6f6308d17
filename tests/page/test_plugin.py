from __future__ import annotations

import base64
import json
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import numpy as np
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from lightning_cnnviz.page.plugin import Loader
from tests.helpers.browser import chromium, enter_frame, needs_chromium, tensorboard
from tests.helpers.page import linked, now, painted, pixels, until
from tests.helpers.plugin import with_plugin
from tests.helpers.records import encoded_looks, write_run

READY = "data/plugin/cnnviz/runs"
AHEAD = 3
"""How many epochs the page reads ahead."""


_START = """
import sys
from types import SimpleNamespace
import tensorboard.program, tensorboard.plugins.base_plugin
before, opened = set(sys.modules), []
sys.addaudithook(lambda event, given: opened.append(str(given[0])) if event == "open" else None)
from lightning_cnnviz.page.plugin import Loader
loader = Loader()
loader.fix_flags(SimpleNamespace(samples_per_plugin={}))
plugin = loader.load(SimpleNamespace(data_provider=object()))  # nothing can be asked of it
plugin.get_plugin_apps(), plugin.frontend_metadata(), plugin.is_active(), plugin.data_plugin_names()
new = set(sys.modules) - before
others = {name.partition(".")[0] for name in new} - set(sys.stdlib_module_names)
assert others == {"lightning_cnnviz"}, others
assert len(new) <= 10, sorted(new)
assert not [path for path in opened if not path.endswith((".py", ".pyc"))], opened
"""


def test_at_tensorboards_start_it_loads_few_modules_none_of_others_and_reads_nothing() -> None:
    subprocess.run([sys.executable, "-c", _START], check=True)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, {"cnnviz": 5000, "images": 1000}),
        ({"images": 5, "scalars": 7}, {"cnnviz": 5000, "images": 5, "scalars": 7}),
        ({"cnnviz": 3}, {"cnnviz": 3, "images": 1000}),
    ],
)
def test_every_step_is_kept_unless_the_user_said_otherwise(given: dict[str, int], kept: dict[str, int]) -> None:
    flags = SimpleNamespace(samples_per_plugin=dict(given))
    Loader().fix_flags(flags)
    assert flags.samples_per_plugin == kept


@pytest.mark.parametrize("flags", [SimpleNamespace(), SimpleNamespace(samples_per_plugin=None), None])
def test_strange_flags_stop_nothing(flags: Any) -> None:
    Loader().fix_flags(flags)


def test_a_tensorboard_without_data_provider_goes_without_us() -> None:
    assert Loader().load(SimpleNamespace()) is None
    assert Loader().load(SimpleNamespace(data_provider=None)) is None


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("fast", ["true", "false"])
def test_tensorboard_shows_the_page(tmp_path: Path, fast: str) -> None:
    write_run(tmp_path / "logs" / "version_0", encoded_looks(40))
    write_run(tmp_path / "logs" / "version_1", encoded_looks(3))
    _write_pictures_only(tmp_path / "logs" / "before")
    environment = with_plugin(tmp_path / "entry")
    served = tensorboard(tmp_path / "logs", f"--load_fast={fast}", page="cnnviz", environment=environment, ready=READY)
    with served as address, chromium(tmp_path / "profile") as driver:
        plugin = address.partition("?")[0] + "data/plugin/cnnviz"
        _until_loaded(f"{plugin}/runs", {"version_0": (41, 0), "version_1": (4, 0), "before": (0, 2)})
        listed = _get(address.partition("?")[0] + "data/plugins_listing")
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
        driver.get(f"{address}&p.cnnviz.run=before&p.cnnviz.view=pictures")
        driver.refresh()
        enter_frame(driver)
        painted(driver)
        until(lambda: driver.find_elements(By.CSS_SELECTOR, ".picture img"))
        assert "pictures only" in driver.find_element(By.TAG_NAME, "main").text
        image = driver.find_element(By.CSS_SELECTOR, ".picture img")
        assert driver.execute_script("return arguments[0].decode().then(() => arguments[0].naturalWidth)", image) == 9


@pytest.mark.slow
@needs_chromium
def test_of_many_long_runs_only_what_is_shown_is_read(tmp_path: Path) -> None:
    runs, epochs = 20, 200
    looks = list(encoded_looks(epochs))
    for run in range(runs):
        write_run(tmp_path / "logs" / f"version_{run}", looks)
    environment = with_plugin(tmp_path / "entry")
    served = tensorboard(tmp_path / "logs", "--load_fast=true", page="cnnviz", environment=environment, ready=READY)
    with served as address, chromium(tmp_path / "profile") as driver:
        plugin = address.partition("?")[0] + "data/plugin/cnnviz"
        _until_loaded(f"{plugin}/runs", {f"version_{run}": (epochs + 1, 0) for run in range(runs)})
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


@pytest.mark.slow
def test_requests_that_fit_nothing_are_answered_not_found(tmp_path: Path) -> None:
    write_run(tmp_path / "logs", encoded_looks(1))
    environment = with_plugin(tmp_path / "entry")
    with tensorboard(
        tmp_path / "logs", "--load_fast=false", page="cnnviz", environment=environment, ready=READY
    ) as address:
        plugin = address.partition("?")[0] + "data/plugin/cnnviz/"
        for route in (
            "looks?run=.",
            "looks?run=.&from=x&to=y",
            "static/../plugin.py",
            "plugin.py",
            "app.js",
            "blobs",
        ):
            with pytest.raises(urllib.error.HTTPError) as answer:
                urllib.request.urlopen(plugin + route)
            assert answer.value.code == 404, route
        for body in (b"", b"{}", b"[1]", b"\xff", json.dumps(["key"] * 65).encode()):
            with pytest.raises(urllib.error.HTTPError) as answer:
                urllib.request.urlopen(plugin + "blobs", body)
            assert answer.value.code == 404, body
        for route, kind in (
            ("index.js", "application/javascript"),
            ("style.css", "text/css"),
            ("runs", "application/json"),
            ("setup?run=.&id=none", "application/json"),
        ):
            with urllib.request.urlopen(plugin + route) as found:
                assert found.headers.get_content_type() == kind
                assert found.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.slow
@pytest.mark.parametrize("fast", ["true", "false"])
def test_blobs_come_together_and_one_that_is_gone_leaves_the_others(tmp_path: Path, fast: str) -> None:
    looks = list(encoded_looks(2))
    write_run(tmp_path / "logs" / "a/b %ü", looks)
    environment = with_plugin(tmp_path / "entry")
    served = tensorboard(tmp_path / "logs", f"--load_fast={fast}", environment=environment, ready=READY)
    with served as address:
        plugin = address.partition("?")[0] + "data/plugin/cnnviz"
        _until_loaded(f"{plugin}/runs", {"a/b %ü": (3, 0)})
        query = urlencode({"run": "a/b %ü", "from": 0, "to": 3})
        first, second, _ = (look["blobs"] for look in _get(f"{plugin}/looks?{query}"))
        gone = _with_run(first[1], "deleted")
        body = json.dumps([first[1], gone, second[2], first[1]]).encode()
        with urllib.request.urlopen(f"{plugin}/blobs", body) as answer:
            assert answer.headers.get_content_type() == "application/octet-stream"
            content = answer.read()
        written = [looks[0][1].look[1], b"", looks[1][1].look[2], looks[0][1].look[1]]
        assert content == b"".join(struct.pack("<I", len(blob)) + blob for blob in written)


def _with_run(key: str, run: str) -> str:
    """The key of the same blob in another run; both data servers write JSON in base64, one as a list."""
    told = json.loads(base64.urlsafe_b64decode(key + "=="))
    place = next(i for i, part in enumerate(told) if part == "a/b %ü")
    told[place] = run
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("fast", ["true", "false"])
def test_a_step_of_the_slider_costs_one_request_however_many_maps_and_runs_there_are(tmp_path: Path, fast: str) -> None:
    for name in ("one", "two"):
        write_run(tmp_path / "logs" / name, encoded_looks(20))
    environment = with_plugin(tmp_path / "entry")
    served = tensorboard(tmp_path / "logs", f"--load_fast={fast}", page="cnnviz", environment=environment, ready=READY)
    with served as address, chromium(tmp_path / "profile") as driver:
        plugin = address.partition("?")[0] + "data/plugin/cnnviz"
        _until_loaded(f"{plugin}/runs", {"one": (21, 0), "two": (21, 0)})
        driver.get(f"{address}&p.cnnviz.run=one&p.cnnviz.run=two&p.cnnviz.epoch=10")
        enter_frame(driver)
        painted(driver)
        slider = driver.find_element(By.CSS_SELECTOR, "input[aria-label=Epoch]")
        until(lambda: slider.get_attribute("max") == "20" and now(driver).startswith("epoch 10"))
        driver.execute_async_script(_STEPS, ["ArrowRight"] * 8 + ["ArrowLeft"] * 6)
        assert now(driver).startswith("epoch 12")
        names = driver.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
        requests = sum(name.endswith("/blobs") for name in names)
        assert 0 < requests <= 9 + 2 * AHEAD, "both runs at each of nine epochs, and at the next ones on each side"
        assert [line for line in driver.get_log("browser") if "plugin/cnnviz" in line["message"]] == []


_STEPS = """
const done = arguments[arguments.length - 1], main = document.querySelector('main');
(async () => {
  for (const key of arguments[0]) {
    const before = main.dataset.painted;
    document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
    while (main.dataset.painted === before) await new Promise((next) => setTimeout(next));
  }
  done();
})();
"""


def _write_pictures_only(directory: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(directory)) as writer:
        writer.add_image("grad_cam/body", np.zeros((9, 9, 3), np.uint8), 5, dataformats="HWC")
        writer.add_image("cnnviz/2 looks/of_a_view/of_ones_own", np.zeros((9, 9, 3), np.uint8), 5, dataformats="HWC")
        writer.add_image("of/another/tool", np.zeros((9, 9, 3), np.uint8), 5, dataformats="HWC")


def _get(address: str) -> Any:
    with urllib.request.urlopen(address) as answer:
        return json.load(answer)


def _until_loaded(address: str, expected: dict[str, tuple[int, int]], timeout: float = 120.0) -> None:
    """TensorBoard reads runs one after the other, each bit by bit; waits for their numbers of looks and pictures."""
    deadline = time.monotonic() + timeout
    while (found := {run["name"]: (run["looks"], run["pictures"]) for run in _get(address)}) != expected:
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


@pytest.mark.slow
def test_without_our_data_tensorboard_is_as_ever(tmp_path: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path / "logs")) as writer:
        writer.add_scalar("loss", 1.0, 1)
        writer.add_image("of/another/tool", np.zeros((9, 9, 3), np.uint8), 5, dataformats="HWC")
    environment = with_plugin(tmp_path / "entry")
    with tensorboard(tmp_path / "logs", "--load_fast=true", environment=environment) as address:
        root = address.partition("?")[0]
        listed = _get(f"{root}data/plugins_listing")
        assert listed["cnnviz"]["enabled"] is False, "no page of ours among those that are there"
        assert listed["scalars"]["enabled"] is True
        assert listed["images"]["enabled"] is True
        assert _get(f"{root}{READY}") == []
