"""J: looks at what is much larger than usual, and numbers of more samples than are drawn."""

from __future__ import annotations

import ctypes
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.growth import resident
from benchmarks.maps import FLOOR, Look, forward_and_backward
from benchmarks.report import Bar, Report
from benchmarks.timing import interleaved
from examples.mnist import MnistCNN
from lightning_cnnviz import Drift, FeatureMaps, FixedSamples, GradCAM, Predictions
from lightning_cnnviz.views import default_views

_SAMPLES, _SIDE = 8, 32
_MOST_OVER_PASSES = 1.5
_MOST_MEGABYTES = 8


def measure(rounds: int, tiny: bool) -> Report:
    """Times a look at two sizes each; linear growth would multiply the time as much as the size."""
    count = 16 if tiny else 256
    model, images = MnistCNN().eval(), torch.randn(count, 1, 28, 28)
    samples = FixedSamples(images, torch.arange(count) % 10)
    look = Look(model, samples, [Drift()])
    few = Look(model, samples.chosen(range(_SAMPLES)), default_views())
    numbers = f"numbers of {count} samples, pictures of {_SAMPLES}"
    title = f"the MNIST example's CNN, default views and Drift, {count} samples"
    contestants = {
        FLOOR: partial(forward_and_backward, model, images),
        numbers: lambda: (look.draw(), few.draw()),  # as in a training, where few samples have a pass of their own
    }
    timings = {title: interleaved(contestants, rounds)}
    over = timings[title].ratio(numbers, FLOOR)
    bars = [Bar(f"{numbers}: over forward and backward of all", over, _MOST_OVER_PASSES)]

    for what, make, few, *larger in _RACES[: 2 if tiny else None]:
        sizes = [few, 2 * few] if tiny else [few, *larger]
        looks = {f"{size:,} {what}": make(size) for size in sizes}
        found = timings[what] = interleaved({name: one.draw for name, one in looks.items()}, rounds)
        first = next(iter(looks))
        for size, name in list(zip(sizes, looks, strict=True))[1:]:
            growth, (highest, left) = found.ratio(name, first), _megabytes(make(size), rounds)
            bars += [
                Bar(f"{few:,} → {name}: growth of the time", growth, size / few),
                Bar(f"{name}: memory that the first look takes", highest, unit="MB"),
                Bar(f"{name}: memory after {rounds} more looks", left, _MOST_MEGABYTES, unit="MB"),
            ]
    note = (
        f"{_SAMPLES} samples, of {_SIDE}×{_SIDE} where nothing else is said; the model grows with what is measured. "
        "Memory is resident, beyond what there was before."
    )
    return Report("J: large sizes", bars, timings, [note])


def _network(bands: int = 3, width: int = 16, classes: int = 10, layers: int = 3) -> nn.Module:
    """Layers of 16 channels, the last one of as many as asked for, so that the model, too, grows no more than they."""
    channels = [bands, *[16] * (layers - 1), width]
    stages = [nn.Sequential(nn.Conv2d(before, after, 3, padding=1), nn.ReLU()) for before, after in pairwise(channels)]
    return nn.Sequential(*stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes)).eval()


def _images(bands: int = 3) -> torch.Tensor:
    return torch.randn(_SAMPLES, bands, _SIDE, _SIDE)


def _classes(count: int) -> Look:
    return Look(_network(classes=count), _images(), [*default_views(), Drift()])


def _original(side: int) -> Look:
    pictures = [np.full((side, side, 3), 25 * index, np.uint8) for index in range(_SAMPLES)]
    samples = FixedSamples(_images(), torch.arange(_SAMPLES), originals=pictures)
    return Look(_network(), samples, [Predictions(), GradCAM()])


def _bands(count: int) -> Look:
    return Look(_network(bands=count), _images(count), [*default_views(), Drift()])


def _channels(count: int) -> Look:
    return Look(_network(width=count), _images(), [*default_views(), Drift()])


def _layers(count: int) -> Look:
    return Look(_network(layers=count), _images(), [GradCAM("all"), FeatureMaps("all"), Drift("all")])


_RACES = [
    ("classes", _classes, 10, 1000, 21_841),
    ("bands", _bands, 3, 13),
    ("px of an original's side", _original, 256, 4096),
    ("channels in a layer", _channels, 16, 512),
    ("layers, all of them drawn", _layers, 10, 150),
]


def _megabytes(look: Look, looks: int) -> tuple[float, float]:
    """By how much the memory of the process grows during a first look, and by how much in all after some more."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", lambda kept: None)
    trim(0)  # what earlier looks gave back would be used again unseen
    before = resident()
    Path("/proc/self/clear_refs").write_text("5")  # the highest memory so far is forgotten
    look.draw()
    highest = 1024 * int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
    trim(0)
    after = resident()
    for _ in range(looks):
        look.draw()
    trim(0)
    return max(0.0, (highest - before) / 1e6), max(0.0, (resident() - after) / 1e6)
