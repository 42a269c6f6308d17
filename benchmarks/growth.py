"""E: how a look grows with samples, layers and channels, and what it leaves in memory."""

from __future__ import annotations

import gc
import os
from functools import partial
from pathlib import Path

import torch
from torch import nn

from benchmarks.maps import Look
from benchmarks.report import Bar, Report
from benchmarks.timing import interleaved
from examples.mnist import MnistCNN
from lightning_cnnviz import FeatureMaps, GradCAM
from lightning_cnnviz.views import default_views

_SIDE = 28


def measure(rounds: int, tiny: bool) -> Report:
    """Times looks of two sizes each; linear growth would multiply the time as much as the size."""
    races = {
        "samples, 8 of them drawn": (partial(_samples, shown=8), (2, 4) if tiny else (8, 64)),
        "samples, all drawn": (_samples, (2, 4) if tiny else (8, 64)),
        "layers": (_layers, (1, 2) if tiny else (1, 16)),
        "channels": (_channels, (4, 8) if tiny else (16, 512)),
    }
    bars, timings = [], {}
    for what, (look, (few, many)) in races.items():
        found = interleaved({f"{count} {what}": look(count).pictures for count in (few, many)}, rounds)
        timings[what] = found
        growth = found.ratio(f"{many} {what}", f"{few} {what}")
        bars.append(Bar(f"{few} → {many} {what}: growth of the time", growth, many / few))
    bars.append(Bar("resident memory after 20 more looks", _memory_left(2 if tiny else 20), 8, unit="MB"))
    return Report("E: growth", bars, timings)


def _samples(count: int, shown: int | None = None) -> Look:
    return Look(MnistCNN().eval(), torch.randn(count, 1, _SIDE, _SIDE), default_views(), shown)


def _layers(count: int) -> Look:
    stages = [nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()) for _ in range(16)]
    model = nn.Sequential(nn.Conv2d(1, 16, 1), *stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
    layers = [f"{1 + index}.1" for index in range(count)]
    return Look(model.eval(), torch.randn(8, 1, _SIDE, _SIDE), [GradCAM(layers), FeatureMaps(layers)])


def _channels(count: int) -> Look:
    model = nn.Sequential(nn.Conv2d(1, 512, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))
    return Look(model.eval(), torch.randn(8, 1, _SIDE, _SIDE), [FeatureMaps("0", channels=count, sample=0)])


def _memory_left(looks: int) -> float:
    """Megabytes; the looks before fill what is kept on purpose: fonts, words and color tables."""
    look = _samples(8)
    for _ in range(3):
        look.draw()
    before = resident()
    for _ in range(looks):
        look.draw()
    return (resident() - before) / 1e6


def resident() -> int:
    """Bytes that the process holds in memory."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
