"""TensorBoard in a real browser."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

_CHROMIUM, _DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

needs_chromium = pytest.mark.skipif(
    not (_CHROMIUM and _DRIVER) and not os.environ.get("CI"), reason="needs Debian's chromium and chromium-driver"
)


@contextlib.contextmanager
def tensorboard(
    directory: Path,
    *options: str,
    page: str = "images",
    environment: Mapping[str, str] | None = None,
    ready: str = "data/plugin/images/tags",
    port: int | None = None,
    python: Sequence[str] = (sys.executable,),
) -> Iterator[str]:
    """Serves a directory of event files; gives the address of a page, once there is something on it."""
    port = free_port() if port is None else port
    command = [*python, "-m", "tensorboard.main", f"--logdir={directory}", f"--port={port}", "--host=127.0.0.1"]
    server = subprocess.Popen(
        [*command, *(options or ("--samples_per_plugin", "images=1000", "--load_fast=false"))],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=None if environment is None else {**os.environ, **environment},
    )
    try:
        address = f"http://127.0.0.1:{port}/"
        _wait_for(f"{address}{ready}")
        yield f"{address}?darkMode=false#{page}"
    finally:
        server.kill()  # there is nothing that it could lose
        server.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextlib.contextmanager
def chromium(profile: Path, width: int = 1400, height: int = 1000) -> Iterator[Any]:
    """A headless Chromium, driven by Selenium."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(_CHROMIUM)
    for flag in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={profile}",
        f"--window-size={width},{height}",
    ):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(_DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


# TensorBoard's page is made of nested shadow roots, which no plain selector looks into.
ALL_NODES = """
function deep(root, nodes = []) {
  for (const node of root.querySelectorAll('*')) {
    nodes.push(node);
    if (node.shadowRoot) deep(node.shadowRoot, nodes);
  }
  return nodes;
}
"""
_OPEN_GROUP = """
for (const node of deep(document)) {
  if (node.matches('.category-name') && node.title === arguments[0]) node.closest('button').click();
}
"""
_PICTURES = """
return deep(document)
  .filter(node => node.tagName === 'IMG' && node.naturalWidth > 100)
  .map(node => [node.getRootNode().host.tag, node.naturalWidth, node.width]);
"""


def open_group(driver: Any, name: str) -> None:
    """Opens a group of tags; the page shows all but the first two closed."""
    driver.execute_script(ALL_NODES + _OPEN_GROUP, name)


def read_pictures(driver: Any, wanted: Collection[str], timeout: float = 120.0) -> dict[str, tuple[int, int]]:
    """Waits until the pictures of these tags are loaded; gives natural width and width on the page by tag, of all."""
    deadline = time.monotonic() + timeout
    while True:
        pictures = {tag: (natural, shown) for tag, natural, shown in driver.execute_script(ALL_NODES + _PICTURES)}
        if pictures.keys() >= set(wanted) or time.monotonic() > deadline:
            return pictures
        time.sleep(0.5)


def enter_frame(driver: Any, timeout: float = 120.0) -> None:
    """Into the frame of a plugin."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        frame = driver.execute_script(ALL_NODES + "return deep(document).find((node) => node.tagName === 'IFRAME')")
        if frame is not None:
            driver.switch_to.frame(frame)
            return
        time.sleep(0.05)
    raise TimeoutError("TensorBoard shows no frame")


def _wait_for(address: str, timeout: float = 120.0) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            with urllib.request.urlopen(address, timeout=60) as answer:
                if answer.read() not in (b"{}", b"[]"):
                    return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"TensorBoard does not serve {address}")
        time.sleep(0.3)
