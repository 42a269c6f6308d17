"""What the rule makes of recorded trainings: thresholds, false alarms, harm seen."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.alarms.harms import HARMED_FROM
from benchmarks.alarms.runs import SAMPLES
from lightning_cnnviz.drift.rule import KEPT, LEARNING_RATE, SAMPLES_LOSS, TRAINING_LOSS, Rise, rises
from lightning_cnnviz.drift.thresholds import FALSE_ALARMS, threshold

WARM_UP = 5


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def replayed(run: dict[str, Any], samples: int) -> list[tuple[int, list[Rise]]]:
    """What rose at each look that may alarm, with its epoch."""
    past: dict[str, list[float]] = {SAMPLES_LOSS: [run["looks"][0]["losses"][str(samples)]]}
    found = []
    for epoch, look in enumerate(run["looks"][1:]):
        loss = look["losses"][str(samples)]
        now = {f"drift_layers/{tag}/previous": value for tag, value in look["numbers"][str(samples)].items()}
        now |= {SAMPLES_LOSS: loss if loss >= 0 else math.inf}
        now |= {TRAINING_LOSS: look["training_loss"], LEARNING_RATE: look["rate"]}
        if epoch >= WARM_UP:
            found.append((epoch, rises(past, now)))
        for tag, value in now.items():
            past[tag] = [*past.get(tag, []), value][-KEPT:]
    return found


def table(runs: list[dict[str, Any]]) -> None:
    """Prints the thresholds: those of more samples are never the larger ones."""
    rows = {}
    for samples in SAMPLES:
        looks = [found for run in runs for _, found in replayed(run, samples)]
        sizes = [max((one.size for one in found), default=-math.inf) for found in looks]
        rows[samples] = np.quantile(sizes, [1 - share for share in FALSE_ALARMS])
    for samples in SAMPLES:
        row = np.max([rows[more] for more in SAMPLES if more >= samples], axis=0)
        print(f"    {samples}: ({', '.join(f'{size:.2f}' for size in row)}),")


def rates(quiet: list[dict[str, Any]], harmed: list[dict[str, Any]], samples: int = 32, share: float = 0.01) -> None:
    limit = threshold(samples, share)
    counts: dict[str, list[int]] = {}
    for run in quiet:
        net = counts.setdefault(run["net"], [0, 0])
        net[0] += sum(any(one.size > limit for one in found) for _, found in replayed(run, samples))
        net[1] += len(run["looks"]) - 1
    for net, (alarms, epochs) in counts.items():
        print(f"{net:22} {alarms} false alarms in {epochs} epochs")
    print(f"all: {interval(sum(one[0] for one in counts.values()), sum(one[1] for one in counts.values()))}")
    costly, seen, renewed, named = 0, 0, 0, 0
    for run in harmed:
        accuracy = [look["accuracy"] for look in run["looks"]]
        cost = accuracy[HARMED_FROM] - min(accuracy[HARMED_FROM + 1 : HARMED_FROM + 3])
        looks = [found for epoch, found in replayed(run, samples) if HARMED_FROM <= epoch < HARMED_FROM + 2]
        above = [[one for one in found if one.size > limit] for found in looks]
        costly, seen = costly + (cost > 0.1), seen + (cost > 0.1 and any(above))
        if cost > 0.1 and not any(above):
            print(f"missed: {run['harm']}, {run['net']}, {run['schedule']}: cost {cost:.1%}")
        if run["renewed"]:
            found = next((found for found in above if found), [])
            first = min(found, key=lambda one: (one.layer is None, -one.size), default=None)
            renewed, named = renewed + 1, named + (first is not None and first.layer == run["renewed"])
    print(f"harm that costs more than 10 points seen within two epochs: {interval(seen, costly)}")
    print(f"new weights, the right layer named: {interval(named, renewed)}")


def interval(hits: int, trials: int) -> str:
    """A share with Wilson's interval of 95%."""
    share, z = hits / trials, 1.96
    middle, around = share + z * z / (2 * trials), z * math.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2)
    low, high = ((middle + sign * around) / (1 + z * z / trials) for sign in (-1, 1))
    return f"{hits} of {trials}: {share:.1%} ({low:.1%} to {high:.1%})"
