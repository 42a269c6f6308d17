"""TensorBoard without this package, and with it where there is nothing of ours: as ever."""

from __future__ import annotations

import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch.utils.tensorboard import SummaryWriter

from lightning_cnnviz import CNNVisualizer, DriftCallback
from tests.helpers.browser import chromium, needs_chromium, read_pictures, tensorboard
from tests.helpers.page import until
from tests.helpers.plugin import READY, WITHOUT_SITE, answer_of, with_plugin, without_package
from tests.helpers.training import fit

pytestmark = pytest.mark.slow

LISTING = "data/plugins_listing"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment without this package."""
    directory = tmp_path_factory.mktemp("site")
    environment = without_package(directory)
    hidden = [*WITHOUT_SITE, "-c", "import tensorboard, lightning_cnnviz"]
    told = subprocess.run(hidden, env=environment, cwd=directory, capture_output=True, text=True, check=False).stderr
    assert "No module named 'lightning_cnnviz'" in told
    return environment


@contextmanager
def _both(logs: Path, bare: dict[str, str], entry: Path, fast: str, ready: str) -> Iterator[tuple[str, str]]:
    """TensorBoard without this package and with it on the same logs."""
    options = (f"--load_fast={fast}", "--samples_per_plugin=images=1000")
    with ExitStack() as stack:
        without = tensorboard(logs, *options, environment=bare, python=WITHOUT_SITE, ready=ready)
        with_us = tensorboard(logs, *options, environment=with_plugin(entry), ready=ready)
        yield stack.enter_context(without), stack.enter_context(with_us)


def _asked(address: str, route: str) -> Any:
    return answer_of(address.partition("?")[0] + route)


@needs_chromium
@pytest.mark.parametrize("fast", ["true", "false"])
def test_without_this_package_a_run_of_ours_is_pictures_and_numbers(
    tmp_path: Path, bare: dict[str, str], fast: str
) -> None:
    fit(tmp_path / "logs", [CNNVisualizer(), DriftCallback()])
    ready = "data/plugin/images/tags"
    with _both(tmp_path / "logs", bare, tmp_path / "entry", fast, ready) as (without, with_us):
        until(lambda: _asked(with_us, READY) and _asked(without, ready) == _asked(with_us, ready))
        until(lambda: _asked(without, "data/plugin/scalars/tags") == _asked(with_us, "data/plugin/scalars/tags"))
        assert "cnnviz" not in _asked(without, LISTING)
        assert _asked(with_us, LISTING).pop("cnnviz")["enabled"] is True
        tags = {tag for run in _asked(without, ready).values() for tag in run}
        assert "cnnviz/2 looks/grad_cam/body" in tags
        assert not [tag for tag in tags if tag.startswith("record/")], "what is for our page alone"
        with chromium(tmp_path / "profile") as driver:
            driver.get(without)
            picture = "cnnviz/2 looks/grad_cam/body"
            assert picture in read_pictures(driver, wanted=[picture])
            assert not [line for line in driver.get_log("browser") if "cnnviz" in line["message"]]


@pytest.mark.parametrize("logs", ["empty", "of another tool"])
def test_where_there_is_nothing_of_ours_it_answers_as_without_this_package(
    tmp_path: Path, bare: dict[str, str], logs: str
) -> None:
    (tmp_path / "logs").mkdir()
    if logs == "of another tool":
        with SummaryWriter(str(tmp_path / "logs")) as writer:
            writer.add_scalar("loss", 1.0, 1)
            writer.add_image("of/another/tool", np.zeros((9, 9, 3), np.uint8), 5, dataformats="HWC")
    ready = LISTING if logs == "empty" else "data/plugin/images/tags"
    with _both(tmp_path / "logs", bare, tmp_path / "entry", "true", ready) as (without, with_us):
        listed = _asked(with_us, LISTING)
        assert listed.pop("cnnviz")["enabled"] is False, "no page of ours among those that are there"
        assert listed == _asked(without, LISTING)
        for route in ("data/runs", "data/plugin/scalars/tags", "data/plugin/images/tags"):
            assert _asked(with_us, route) == _asked(without, route)
        assert _asked(with_us, READY) == []
        first, second = (urllib.request.urlopen(address.partition("?")[0]).read() for address in (without, with_us))
        assert first == second, "its own page"
