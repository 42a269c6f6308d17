"""Made-up runs with values worked out, as the page is tested on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from lightning_cnnviz.output.event_records import use_fast_checksums
from lightning_cnnviz.output.record import EncodedLook, Group, Maps, Record, encode_look
from lightning_cnnviz.output.record_events import RecordEvents
from lightning_cnnviz.output.record_setup import Legend, Setup
from lightning_cnnviz.page.report import RunRecord

HOSTILE = "<img src=x onerror=\"document.title='pwned'\">"
CLASSES = ("zero", "one", HOSTILE)
SAMPLES = 4


def setup() -> Setup:
    """Six samples of 12 by 16 pixels, the i-th of the grey 40 i; four of them are drawn."""
    pictures = [np.full((12, 16, 3), 40 * index, np.uint8) for index in range(6)]
    return Setup(pictures, [0, 1, 2, 0, 1, 2], CLASSES)


def legend() -> Legend:
    descriptions = {"GradCAM": "Red speaks for the class.\nIt misleads where it is coarse.", "FeatureMaps": HOSTILE}
    return Legend(descriptions, ("jet", "viridis", "Spectral"))


def grad_cam(epoch: int) -> np.ndarray:
    """(4, 1, 3, 4): a ramp from 0 to ``(sample + 1) * (epoch + 1)``."""
    ramp = np.arange(12, dtype=np.float32).reshape(1, 1, 3, 4) / 11
    peaks = np.arange(1, SAMPLES + 1, dtype=np.float32).reshape(-1, 1, 1, 1)
    return ramp * peaks * (epoch + 1)


def feature_maps(epoch: int) -> np.ndarray:
    """(4, 5, 6, 8), signed; one pixel of the first map is not a number."""
    values = np.random.default_rng(epoch + 1).normal(size=(SAMPLES, 5, 6, 8)).astype(np.float32)
    values *= np.arange(1, 6).reshape(1, -1, 1, 1)
    values[0, 0, 0, 0] = np.nan
    return values


def record(epoch: int | None, *, alarm: bool = False) -> Record:
    """One look; the answers become right with the epochs."""
    at = -1 if epoch is None else epoch
    right = np.full((6, 3), 0.2)
    right[np.arange(6), [0, 1, 2, 0, 1, 2] if at >= 2 else [0, 0, 2, 0, 1, 0]] = 0.6
    scalars = {
        f"drift/features/{layer}/previous": 0.5 * math.exp(-at) * (place + 1)
        for place, layer in enumerate(["stem", "body"])
    }
    scalars["drift/predictions/previous"] = 0.1
    notes = {"alarms": f"**{HOSTILE} moved**\n\n| number | value |\n|---|---|\n| a | 1 |"} if alarm else {}
    if epoch is None:
        scalars, notes = (
            {"loss": math.nan},
            {"model_summary": "| layer | type |\n|---|---|\n| stem | Conv2d |\n\n- 3 parameters"},
        )
    maps = [
        Maps("grad_cam/body", grad_cam(at), "GradCAM", "Grad-CAM of body", colormap="jet", smooth=True, over=True),
        Maps(
            "feature_maps/stem", feature_maps(at), "FeatureMaps", "Feature maps of stem", [f"ch {i}" for i in range(5)]
        ),
        Maps("saliency/gradient", feature_maps(at)[:, :1], "Saliency", "Saliency", colormap="Spectral", symmetric=True),
        Maps("filters/stem", feature_maps(at)[1:2], "Filters", "Filters of stem", list("01234"), None, "gray", True),
        Maps(
            "prototypes",
            np.arange(2 * 3 * 4, dtype=np.float32).reshape(1, 6, 2, 2) + at,
            "Prototypes",
            "Prototypes",
            ["zero", "one"],
            None,
            planes=3,
        ),
    ]
    if alarm:
        moved = Maps(
            "flips",
            np.stack([grad_cam(at - 1)[:2, 0], grad_cam(at)[:2, 0]], axis=1),
            "Flips",
            "2 of 6 samples changed their class",
            (f"epoch {at - 1}", f"epoch {at}"),
            colormap="jet",
            smooth=True,
            over=True,
            rows=[4, 1],
            labels=[("zero  60%", "one  60%"), ("one  60%", "zero  60%")],
        )
        maps.append(moved)
    group = Group(setup(), right, [0, 1, 2, 0, 1, 2], shown=SAMPLES)
    return Record(1000.0 + at, epoch, [group], legend(), maps, scalars, notes)


def encoded_looks(epochs: int) -> Iterator[tuple[int, EncodedLook]]:
    """Steps and looks of a run of so many epochs, with an alarm in its last but one."""
    for place, epoch in enumerate([None, *range(epochs)]):
        yield 100 * place, encode_look(record(epoch, alarm=epoch == epochs - 2), 100 * place)


def run_record(name: str, epochs: int) -> RunRecord:
    """The run as the page takes it."""
    run = RunRecord(name)
    for _, look in encoded_looks(epochs):
        run.setups.update(look.setups)
        run.looks.append(look.look)
    return run


def write_run(directory: str | Path, looks: Iterable[tuple[int, EncodedLook]]) -> None:
    """Steps and looks as an event file."""
    from torch.utils.tensorboard import SummaryWriter

    events = RecordEvents()
    with SummaryWriter(str(directory)) as writer:
        use_fast_checksums(writer._get_file_writer())
        for step, look in looks:
            for summary in events.summaries(look):
                writer._get_file_writer().add_summary(summary, step)
