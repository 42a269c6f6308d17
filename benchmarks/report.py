"""What the benchmarks found, as text that reads in a terminal and on a page."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from pathlib import Path

import torch

from benchmarks.timing import Timings


@dataclass(frozen=True)
class Bar:
    """A figure that is to stay on one side of a limit.

    Attributes:
        name: what is compared with what.
        figure: what was measured.
        limit: what it is to reach, None if it is only reported.
        at_most: whether the figure must not exceed the limit, rather than not fall short of it.
        unit: written behind both.
    """

    name: str
    figure: float
    limit: float | None = None
    at_most: bool = True
    unit: str = "×"

    @property
    def is_met(self) -> bool:
        """Whether the figure is on the right side, or has none."""
        return self.limit is None or (self.figure <= self.limit if self.at_most else self.figure >= self.limit)

    def row(self) -> str:
        """One line of a Markdown table."""
        limit = "" if self.limit is None else f"{'≤' if self.at_most else '≥'} {self.limit:g} {self.unit}"
        verdict = "" if self.limit is None else "met" if self.is_met else "**missed**"
        return f"| {self.name} | {self.figure:.3g} {self.unit} | {limit} | {verdict} |"


@dataclass(frozen=True)
class Report:
    """One benchmark.

    Attributes:
        title: what was measured.
        bars: its figures.
        timings: title of a table to the contestants' seconds.
        notes: what a reader must know to trust it.
    """

    title: str
    bars: list[Bar]
    timings: dict[str, Timings] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [
            f"## {self.title}",
            "| | figure | bar | |\n|---|---|---|---|\n" + "\n".join(b.row() for b in self.bars),
        ]
        for title, timings in self.timings.items():
            rows = [f"| {name} | {1e3 * timings.median(name):.3g} ms |" for name in timings.seconds]
            rounds = len(next(iter(timings.seconds.values())))
            parts.append(f"| {title} | median of {rounds} |\n|---|---|\n" + "\n".join(rows))
        return "\n\n".join(parts + self.notes)


def machine() -> str:
    """The machine, its load and the versions that matter."""
    busy = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    return (
        f"{_processor()}, {os.cpu_count()} cores, load averages {busy}; torch {torch.__version__} with "
        f"{torch.get_num_threads()} threads, Python {platform.python_version()}."
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
