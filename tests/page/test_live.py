"""Runs that grow while the page is open, that were resumed, killed or started anew."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from torch.utils.tensorboard import SummaryWriter

from lightning_cnnviz.output.record import EncodedLook, encode_look
from lightning_cnnviz.output.record_events import RecordEvents
from lightning_cnnviz.page.report import RunRecord, report
from tests.helpers.browser import chromium, enter_frame, free_port, needs_chromium, tensorboard
from tests.helpers.page import clean, linked, now, painted, show, until
from tests.helpers.plugin import READY, answer_of, with_plugin
from tests.helpers.records import encoded_looks, record, run_record, write_run

pytestmark = [pytest.mark.slow, needs_chromium]

LOOKS = list(encoded_looks(5))


@contextmanager
def _served(directory: Path, fast: str = "true") -> Iterator[tuple[Any, str, Callable[[], list[int]]]]:
    """A browser on our page in TensorBoard, the address, and what tells the numbers of looks that are served."""
    options = (f"--load_fast={fast}", "--reload_interval=1")
    environment = with_plugin(directory / "entry")
    served = tensorboard(directory / "logs", *options, page="cnnviz", environment=environment, ready=READY)

    def counts() -> list[int]:
        return [run["looks"] for run in answer_of(address.partition("?")[0] + READY)]

    with served as address, chromium(directory / "profile", 1200, 900) as driver:
        yield driver, address, counts


def _write(writer: SummaryWriter, events: RecordEvents, looks: Iterable[tuple[int, EncodedLook]]) -> None:
    for step, look in looks:
        for summary in events.summaries(look):
            writer._get_file_writer().add_summary(summary, step)
    writer.flush()


def _open(driver: Any, address: str) -> None:
    driver.get(address)
    enter_frame(driver)
    painted(driver)


def _look_again(driver: Any) -> None:
    driver.execute_script("document.dispatchEvent(new Event('visibilitychange'))")


def _problem(driver: Any) -> str:
    return str(driver.find_element(By.CSS_SELECTOR, ".problem").text)


@pytest.mark.parametrize("fast", ["true", "false"])
def test_the_page_follows_a_run_until_the_slider_is_moved(tmp_path: Path, fast: str) -> None:
    events = RecordEvents()
    with SummaryWriter(str(tmp_path / "logs" / "run")) as writer:
        _write(writer, events, LOOKS[:3])
        with _served(tmp_path, fast) as (driver, address, counts):
            until(lambda: counts() == [3])
            _open(driver, address)
            assert now(driver) == "epoch 1 · step 200"
            _write(writer, events, LOOKS[3:4])
            until(lambda: counts() == [4])
            _look_again(driver)
            until(lambda: now(driver) == "epoch 2 · step 300")
            driver.find_element(By.TAG_NAME, "body").send_keys(Keys.ARROW_LEFT)
            until(lambda: now(driver) == "epoch 1 · step 200")
            _write(writer, events, LOOKS[4:6])
            until(lambda: counts() == [6])
            _look_again(driver)
            slider = driver.find_element(By.CSS_SELECTOR, "input[aria-label=Epoch]")
            until(lambda: slider.get_attribute("max") == "5")
            assert now(driver) == "epoch 1 · step 200", "where the reader has gone"
            driver.find_element(By.CSS_SELECTOR, "[data-key=newest]").click()
            until(lambda: now(driver) == "epoch 4 · step 500")
            assert _problem(driver) == ""


@pytest.mark.parametrize(("fast", "highest"), [("true", 9), ("false", 5)])
def test_a_resumed_run_goes_on_from_its_checkpoint(tmp_path: Path, fast: str, highest: int) -> None:
    directory = tmp_path / "logs" / "run"
    write_run(directory, LOOKS)
    with _served(tmp_path, fast) as (driver, address, counts):
        until(lambda: counts() == [6])
        _open(driver, address)
        assert now(driver) == "epoch 4 · step 500"
        # Epoch 3 and 4 again, with the maps of epoch 8.
        again = [(step, encode_look(_as_of(step), step)) for step in (400, 500)]
        with SummaryWriter(str(directory), filename_suffix=".resumed") as writer:
            _write(writer, RecordEvents(), [*again, (600, encode_look(record(5), 600))])
        until(lambda: counts() == [7])
        _look_again(driver)
        until(lambda: now(driver) == "epoch 5 · step 600")
        driver.find_element(By.TAG_NAME, "body").send_keys(Keys.ARROW_LEFT)
        until(lambda: now(driver) == "epoch 4 · step 500")
        label = driver.find_element(By.CSS_SELECTOR, 'canvas[aria-label^="Grad-CAM of body, sample 0"]')
        # The slow data server gives the first of what was written at one step, whoever asks.
        assert label.get_attribute("aria-label").endswith(f"from 0 to {highest}")
        slider = driver.find_element(By.CSS_SELECTOR, "input[aria-label=Epoch]")
        assert slider.get_attribute("max") == "6"
        assert _problem(driver) == ""


def _as_of(step: int) -> Any:
    """The look at a step with the maps of epoch 8."""
    return replace(record(8), epoch=step // 100 - 1, time=5000.0 + step)


def test_a_killed_run_is_shown_up_to_where_it_was_cut_off(tmp_path: Path) -> None:
    write_run(tmp_path / "logs" / "run", LOOKS)
    (events,) = (tmp_path / "logs" / "run").iterdir()
    events.write_bytes(events.read_bytes()[:-50])
    with _served(tmp_path) as (driver, address, counts):
        until(lambda: counts() == [5])
        _open(driver, address)
        assert now(driver) == "epoch 3 · step 400"
        assert driver.find_elements(By.CSS_SELECTOR, "main canvas")
        assert _problem(driver) == ""


def test_a_run_started_anew_under_the_same_name_shows_nothing_of_the_old_one(tmp_path: Path) -> None:
    directory = tmp_path / "logs" / "run"
    write_run(directory, LOOKS[:2])
    port = free_port()  # the same: a browser keeps answers by address
    with chromium(tmp_path / "profile", 1200, 900) as driver:
        for highest, looks in ((1, LOOKS[:2]), (9, [LOOKS[0], (100, encode_look(_as_of(100), 100))])):
            shutil.rmtree(directory)
            write_run(directory, looks)
            environment = with_plugin(tmp_path / f"entry{highest}")
            served = tensorboard(
                tmp_path / "logs", "--load_fast=false", page="cnnviz", environment=environment, ready=READY, port=port
            )
            with served as address:
                _open(driver, address)
                until(lambda: now(driver) == "epoch 0 · step 100")
                label = driver.find_element(By.CSS_SELECTOR, 'canvas[aria-label^="Grad-CAM of body, sample 0"]')
                assert label.get_attribute("aria-label").endswith(f"from 0 to {highest}")
                driver.get("about:blank")


def test_the_file_is_read_again_by_a_button(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    whole = run_record("run", 4)
    path.write_bytes(report([RunRecord("run", whole.setups, whole.looks[:3])]))
    with chromium(tmp_path / "profile", 1200, 900) as driver:
        show(driver, f"file://{path}")
        assert now(driver) == "epoch 1 · step 200"
        path.write_bytes(report([whole]))
        driver.find_element(By.CSS_SELECTOR, "[data-key=reload]").click()
        until(lambda: now(driver) == "epoch 3 · step 400")
        driver.find_element(By.TAG_NAME, "body").send_keys(Keys.ARROW_LEFT)
        assert linked(driver, "epoch=2")
        driver.find_element(By.CSS_SELECTOR, "[data-key=reload]").click()
        painted(driver)
        until(lambda: now(driver) == "epoch 2 · step 300")
        assert clean(driver)
