"""F: what importing the package adds to importing Lightning."""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks.report import Bar, Report
from benchmarks.timing import Timings

_SCRIPT = """
import time
started = time.perf_counter()
import lightning
between = time.perf_counter()
import lightning_cnnviz
print(between - started, time.perf_counter() - between)
"""
LIGHTNING, OURS = "import lightning", "import lightning_cnnviz, after it"


def measure(rounds: int, tiny: bool) -> Report:
    """Times both imports in fresh processes; the first one, which may compile the package, does not count."""
    seconds: dict[str, list[float]] = {LIGHTNING: [], OURS: []}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for turn in range(1 + rounds):
        answer = subprocess.run(
            [sys.executable, "-c", _SCRIPT], check=True, capture_output=True, text=True, env=environment
        ).stdout
        if turn:
            for name, value in zip((LIGHTNING, OURS), answer.split(), strict=True):
                seconds[name].append(float(value))
    timings = Timings(seconds)
    bar = Bar(f"{OURS}", 1e3 * timings.median(OURS), 100, unit="ms")
    return Report("F: importing", [bar], {"fresh processes": timings})
