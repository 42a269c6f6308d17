"""TensorBoard with our plugin, whether this environment was installed before or after it came to be."""

from __future__ import annotations

import json
import os
import site
import sys
import time
import urllib.request
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = Path(__file__).parents[2]
GROUP = "tensorboard_plugins"
READY = "data/plugin/cnnviz/runs"


def with_plugin(directory: Path) -> dict[str, str]:
    """The environment in which TensorBoard finds the entry point of pyproject.toml."""
    paths = [str(PROJECT), os.environ.get("PYTHONPATH", "")]
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["entry-points"][GROUP]
    installed = {point.name: point.value for point in entry_points(group=GROUP)}
    if not declared.items() <= installed.items():
        info = directory / "declared-0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: declared\nVersion: 0\n")
        lines = [f"{name} = {value}" for name, value in declared.items()]
        (info / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines, ""]))
        paths.insert(0, str(directory))
    return {"PYTHONPATH": os.pathsep.join(paths)}


WITHOUT_SITE = (sys.executable, "-S")
"""Python that finds only what `without_package` names."""


def without_package(directory: Path) -> dict[str, str]:
    """The environment in which Python finds all that is installed but this package."""
    for installed in map(Path, site.getsitepackages()):
        for entry in installed.iterdir() if installed.is_dir() else ():
            if "lightning_cnnviz" not in entry.name:
                (directory / entry.name).symlink_to(entry)
    return {"PYTHONPATH": str(directory)}


def answer_of(address: str) -> Any:
    """The JSON at an address."""
    with urllib.request.urlopen(address) as answer:
        return json.load(answer)


def until_loaded(address: str, expected: dict[str, tuple[int, int]], timeout: float = 120.0) -> None:
    """TensorBoard reads runs one after the other, each bit by bit; waits for their numbers of looks and pictures."""
    deadline = time.monotonic() + timeout
    while (found := {run["name"]: (run["looks"], run["pictures"]) for run in answer_of(address)}) != expected:
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
