"""False alarms and harm seen: short trainings on MNIST, undisturbed and with planted harm.

    python -m benchmarks.alarms record undisturbed 0 200 made_of.jsonl   # 200 runs from seed 0, one line each
    python -m benchmarks.alarms record undisturbed 1000 80 quiet.jsonl
    python -m benchmarks.alarms record harmed 100 5 harmed.jsonl         # every kind of harm, 5 settings each
    python -m benchmarks.alarms table made_of.jsonl                      # as in lightning_cnnviz/drift/thresholds.py
    python -m benchmarks.alarms rates quiet.jsonl harmed.jsonl           # what the rule makes of other runs

Runs are trained by a plain loop on one thread, a few seconds each; the numbers are those of :class:`Drift`, and the
rule is the one of ``alarm="auto"``. Harm begins in epoch 7 of 12, counted from 0.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from benchmarks.alarms.replay import rates, read, table
from benchmarks.alarms.runs import trained
from benchmarks.alarms.settings import settings


def record(kind: str, first: int, count: int, path: Path, salt: str = "") -> None:
    with path.open("a") as lines:
        for setting in settings(kind, first, count, salt):
            lines.write(json.dumps(trained(setting)) + "\n")
            lines.flush()


def main(arguments: list[str]) -> None:
    torch.set_num_threads(1)
    command, *rest = arguments
    if command == "record":
        kind, first, count, path, *salt = rest
        record(kind, int(first), int(count), Path(path), *salt)
    elif command == "table":
        table(read(Path(rest[0])))
    elif command == "rates":
        rates(read(Path(rest[0])), read(Path(rest[1])))


if __name__ == "__main__":
    main(sys.argv[1:])
