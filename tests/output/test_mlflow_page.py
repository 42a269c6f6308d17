"""MLflow's own page in a real browser."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lightning_cnnviz.output.artifacts import Picture
from lightning_cnnviz.output.mlflow import MLFlowSink
from tests.helpers.browser import chromium, needs_chromium
from tests.helpers.pictures import noise

STEPS = (0, 5, 11)
_SCROLLED_TO = """
const section = [...document.querySelectorAll('*')].find(
  (node) => node.children.length === 0 && node.textContent.trim() === 'grad_cam');
if (section) section.scrollIntoView({block: 'start'});
const image = [...document.images].find((one) => one.src.includes('grad_cam'));
return image && image.naturalWidth > 0 ? decodeURIComponent(image.src) : null;
"""


@contextlib.contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """Serves the store of a folder; gives the address of its page."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = [f"--backend-store-uri=sqlite:///{folder}/mlflow.db", f"--port={port}", "--workers=1"]
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", *options],
        cwd=folder,
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}/"
    try:
        _found(lambda: _answers(address))
        yield address
    finally:
        os.killpg(server.pid, signal.SIGKILL)  # its workers, too
        server.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _found(what: Callable[[], Any], timeout: float = 120.0) -> Any:
    deadline = time.monotonic() + timeout
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.1)
    return found


@pytest.mark.slow
@needs_chromium
@pytest.mark.filterwarnings("ignore")
def test_the_slider_of_the_image_grid_goes_through_the_steps(tmp_path: Path) -> None:
    from mlflow import MlflowClient
    from selenium.webdriver.common.keys import Keys

    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.create_experiment("run", artifact_location=str(tmp_path / "artifacts"))
    run_id = client.create_run(experiment).info.run_id
    sink = MLFlowSink(client, run_id)
    for step in STEPS:
        sink.write(Picture("grad_cam/conv:1", noise()), step)
        sink.flush()
    with mlflow_server(tmp_path) as address, chromium(tmp_path / "profile") as driver:
        driver.get(f"{address}#/experiments/{experiment}/runs/{run_id}/model-metrics")
        for step in STEPS:
            wanted = f"grad_cam~conv_x3a_1+step+{step}+"
            _found(lambda wanted=wanted: wanted in (driver.execute_script(_SCROLLED_TO) or ""))
            [slider] = driver.find_elements("css selector", "[role=slider]")
            assert slider.get_attribute("aria-valuenow") == str(step)
            driver.execute_script("arguments[0].focus()", slider)
            driver.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
