"""G: one whole look of the default callback: pass, pictures, and the hand-over to the writer's thread."""

from __future__ import annotations

import tempfile

import torch
from torch import nn
from torch.utils.tensorboard import SummaryWriter
from torchvision.models import resnet18

from benchmarks.maps import FLOOR, Look, forward_and_backward
from benchmarks.report import Bar, Report
from benchmarks.timing import Timings, interleaved
from examples.mnist import MnistCNN
from lightning_cnnviz.output.tensorboard import TensorBoardSink
from lightning_cnnviz.output.writer import BackgroundWriter
from lightning_cnnviz.views import default_views

LOOK = "a look, until training goes on"
_SAMPLES = 8


def measure(rounds: int, tiny: bool) -> Report:
    """Times a look beside the bare passes of the same samples."""
    models: dict[str, tuple[nn.Module, tuple[int, int, int]]] = {"the MNIST example's CNN": (MnistCNN(), (1, 28, 28))}
    if not tiny:
        models["resnet18, 64×64"] = (resnet18(num_classes=10), (3, 64, 64))
        models["resnet18, 224×224"] = (resnet18(), (3, 224, 224))
    bars, timings = [], {}
    for name, (model, shape) in models.items():
        found = timings[f"{name}, {_SAMPLES} samples"] = _race(model.eval(), shape, rounds)
        bars.append(Bar(f"{name}: {LOOK}, over {FLOOR}", found.ratio(LOOK, FLOOR)))
        bars.append(Bar(f"{name}: {LOOK}", 1e3 * found.median(LOOK), unit="ms"))
    note = "All default views. The share of an epoch is in D."
    return Report("G: one look of the default callback", bars, timings, [note])


def _race(model: nn.Module, shape: tuple[int, int, int], rounds: int) -> Timings:
    images = torch.randn(_SAMPLES, *shape)
    look = Look(model, images, default_views())
    with tempfile.TemporaryDirectory() as directory, SummaryWriter(directory) as experiment:
        writer = BackgroundWriter([TensorBoardSink(experiment)])
        step = iter(range(10_000))

        def look_and_hand_over() -> None:
            now = next(step)
            for artifact in look.draw():
                writer.submit(artifact, now)

        contestants = {FLOOR: lambda: forward_and_backward(model, images), LOOK: look_and_hand_over}
        timings = interleaved(contestants, rounds, between=writer.flush)
        writer.close()
    return timings
