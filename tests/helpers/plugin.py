"""TensorBoard with our plugin, whether this environment was installed before or after it came to be."""

from __future__ import annotations

import os
import sys
from importlib.metadata import entry_points
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = Path(__file__).parents[2]
GROUP = "tensorboard_plugins"


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
