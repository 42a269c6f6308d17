"""B: 64 feature maps of 112×112 as a picture on the disk."""

from __future__ import annotations

import tempfile
from functools import partial

import matplotlib as mpl
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from torchvision.utils import make_grid

from benchmarks.report import Bar, Report
from benchmarks.timing import interleaved
from lightning_cnnviz.output.artifacts import Picture
from lightning_cnnviz.output.tensorboard import TensorBoardSink
from lightning_cnnviz.output.writer import BackgroundWriter
from lightning_cnnviz.render.figures import Tiles
from lightning_cnnviz.render.map_columns import Maps

OURS, HELD = "lightning_cnnviz", "lightning_cnnviz, the training thread held"
SUBPLOTS, GRID = "matplotlib subplots and add_figure", "make_grid and add_image"


def measure(rounds: int, tiny: bool) -> Report:
    """Times from the maps to a picture that TensorBoard can read, and how much of it training waits for."""
    count, side = (16, 28) if tiny else (64, 112)
    maps = _feature_maps(count, side)
    # Two writers: ours computes checksums in C, from which the others would gain.
    with (
        tempfile.TemporaryDirectory() as directory,
        SummaryWriter(f"{directory}/others") as experiment,
        SummaryWriter(f"{directory}/ours") as our_experiment,
    ):
        ours = _Ours(our_experiment)
        timings = interleaved(
            {
                SUBPLOTS: partial(_subplots, experiment, maps),
                GRID: partial(_grid, experiment, maps),
                OURS: lambda: (ours.submit(maps), ours.flush()),
                HELD: lambda: ours.submit(maps),
            },
            rounds,
            between=ours.flush,
        )
        ours.close()
    bars = [
        Bar(f"{SUBPLOTS} over ours", timings.ratio(SUBPLOTS, OURS), 10, at_most=False),
        Bar(f"{GRID} over ours", timings.ratio(GRID, OURS), 6, at_most=False),
        Bar(f"training thread held, share of {GRID}", 100 * timings.ratio(HELD, GRID), 5, unit="%"),
    ]
    return Report("B: a picture of feature maps", bars, {f"{count} maps of {side}×{side}, stored": timings})


def _feature_maps(count: int, side: int) -> Tensor:
    """As smooth as those of photographs: noise would be unfair to whoever compresses well."""
    image = F.interpolate(torch.rand(1, 3, side // 8, side // 8), size=(2 * side, 2 * side), mode="bicubic")
    return F.conv2d(image, torch.randn(count, 3, 7, 7), stride=2, padding=3)[0].relu()


class _Ours:
    def __init__(self, experiment: SummaryWriter) -> None:
        self._writer = BackgroundWriter([TensorBoardSink(experiment)])
        self._step = 0

    def submit(self, maps: Tensor) -> None:
        self._step += 1
        labels = tuple(f"ch {channel}" for channel in range(len(maps)))
        cells = Maps(maps[None].numpy(), labels)
        figure = Tiles(cells, labels, "Feature maps", cells.scale_note())
        self._writer.submit(Picture("feature_maps/ours", figure), self._step)

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def _subplots(experiment: SummaryWriter, maps: Tensor) -> None:
    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after the backend is chosen

    columns = round(len(maps) ** 0.5)
    figure, axes = plt.subplots(columns, columns, figsize=(10, 10))
    for channel, (place, values) in enumerate(zip(axes.flat, maps.numpy(), strict=True)):
        place.imshow(values)
        place.set_title(f"ch {channel}")
        place.axis("off")
    experiment.add_figure("feature_maps/subplots", figure)
    experiment.flush()


def _grid(experiment: SummaryWriter, maps: Tensor) -> None:
    picture = make_grid(maps[:, None], nrow=round(len(maps) ** 0.5), normalize=True, scale_each=True)
    experiment.add_image("feature_maps/grid", picture)
    experiment.flush()
