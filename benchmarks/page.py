"""H: the page: how large its data are, and how long a browser takes to show them."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger

from benchmarks.report import Bar, Report
from benchmarks.training import quiet_trainer
from examples.mnist import MnistCNN, MnistDataModule
from lightning_cnnviz import CNNVisualizer, explain
from lightning_cnnviz.output.encoding import encode
from lightning_cnnviz.output.look_record import encoded
from lightning_cnnviz.output.record import EncodedLook, Group, Maps, Record, encode_look
from lightning_cnnviz.output.record_setup import Legend, Setup
from lightning_cnnviz.page.report import RunRecord, report
from tests.helpers.browser import chromium, enter_frame, tensorboard
from tests.helpers.page import painted, press
from tests.helpers.plugin import until_loaded, with_plugin
from tests.helpers.records import write_run

_SAMPLES = 8
_FIRST_PAINT = "return performance.getEntriesByName('painted')[0].startTime"
_QUIET = "return performance.getEntriesByType('resource').filter((one) => /looks\\?/.test(one.name)).length"


def measure(rounds: int, tiny: bool) -> Report:
    """Times twenty runs of two hundred epochs in TensorBoard, and one of them as a file."""
    runs, epochs = (2, 8) if tiny else (20, 200)
    looks = list(_looks(epochs))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for run in range(runs):
            write_run(folder / "logs" / f"version_{run}", ((100 * epoch, look) for epoch, look in enumerate(looks)))
        page = report([_record(looks)])
        (folder / "report.html").write_bytes(page)
        served = tensorboard(
            folder / "logs",
            "--load_fast=true",
            page="cnnviz",
            environment=with_plugin(folder / "entry"),
            ready="data/plugin/cnnviz/runs",
        )
        with chromium(folder / "profile", 1200, 900) as driver, served as address:
            expected = {f"version_{run}": (len(looks), 0) for run in range(runs)}
            until_loaded(f"{address.partition('?')[0]}data/plugin/cnnviz/runs", expected, timeout=300)
            inside = [_opened(driver, address) for _ in range(rounds)]
            steps = _steps(driver, epochs)
            on_disk = [_opened(driver, f"file://{folder}/report.html") for _ in range(rounds)]
            from_file = _steps(driver, epochs)
    size, pictures = _bytes_of_a_look()
    title = f"{runs} runs of {epochs} epochs in TensorBoard"
    bars = [
        Bar("a look of the MNIST example, its record over its pictures", size / pictures, 1),
        Bar("the same, its record", size / 1000, unit="kB"),
        Bar("the same in the event file of a run, pictures, record and numbers", _event_bytes() / 1000, unit="kB"),
        Bar(f"one run of {epochs} epochs as report.html", len(page) / 1e6, 20, unit="MB"),
        Bar(f"{title}: first paint", statistics.median(inside), 1000, unit="ms"),
        Bar(f"{title}: a step of the slider, new maps", statistics.median(steps[0]), 50, unit="ms"),
        Bar(f"{title}: a step of the slider, back again", statistics.median(steps[1]), 50, unit="ms"),
        Bar("report.html: first paint", statistics.median(on_disk), 1000, unit="ms"),
        Bar("report.html: a step of the slider, new maps", statistics.median(from_file[0]), 50, unit="ms"),
        Bar("report.html: a step of the slider, back again", statistics.median(from_file[1]), 50, unit="ms"),
    ]
    note = (
        f"{_SAMPLES} samples with Grad-CAM, saliency and nine feature maps each on the page; first paint is counted "
        "from the start of the page's own frame. Headless Chromium without a GPU."
    )
    return Report("H: the page", bars, notes=[note])


def _looks(epochs: int) -> Iterator[EncodedLook]:
    """Looks like those of the MNIST example, of noise, which compresses worse."""
    generator = np.random.default_rng(0)
    pictures = [generator.integers(0, 256, (28, 28, 3), np.uint8) for _ in range(_SAMPLES)]
    setup, legend = Setup(pictures, list(range(_SAMPLES))), Legend({"GradCAM": "red speaks for it"}, ("jet", "viridis"))
    for epoch in range(epochs):
        draw = generator.standard_normal
        maps = [
            Maps("grad_cam/stage3", draw((_SAMPLES, 1, 7, 7)), "GradCAM", colormap="jet", smooth=True, over=True),
            Maps("saliency/gradient", draw((_SAMPLES, 1, 28, 28)), "Saliency", colormap="hot", over=True),
        ]
        maps += [
            Maps(f"feature_maps/stage{stage}", draw((_SAMPLES, 8, side, side)), columns=[f"ch {i}" for i in range(8)])
            for stage, side in ((1, 28), (2, 14), (3, 7))
        ]
        probabilities = generator.dirichlet(np.ones(10), _SAMPLES)
        yield encode_look(Record(epoch, epoch, [Group(setup, probabilities)], legend, maps), 100 * epoch)


def _record(looks: list[EncodedLook]) -> RunRecord:
    setups = {name: blobs for look in looks for name, blobs in look.setups.items()}
    return RunRecord("run", setups, [look.look for look in looks])


def _opened(driver: Any, address: str) -> float:
    """Milliseconds until something is to be seen."""
    driver.get("about:blank")
    driver.get(address)
    if not address.startswith("file:"):
        enter_frame(driver)
    painted(driver)
    took: float = driver.execute_script(_FIRST_PAINT)
    return took


def _steps(driver: Any, epochs: int) -> tuple[list[float], list[float]]:
    """Milliseconds for each step back to earlier epochs, and for each on the way forth again."""
    requests = -1
    while (now := driver.execute_script(_QUIET)) != requests:  # older epochs are read behind the newest ones
        requests = now
        time.sleep(1)
    count = min(30, epochs - 1)
    return press(driver, *["ArrowLeft"] * count), press(driver, *["ArrowRight"] * count)


def _bytes_of_a_look() -> tuple[int, int]:
    """Of the record of a look at the MNIST example, and of its pictures."""
    found = explain(MnistCNN(), torch.rand(_SAMPLES, 1, 28, 28))
    (look,) = found.looks.values()
    return sum(map(len, encoded(look, 0).look)), sum(len(encode(picture)) for picture in found.pictures.values())


def _event_bytes() -> float:
    """By how much each look of the default callback makes the event files of the MNIST example larger."""
    looks = 3
    sizes = []
    for callbacks in ([CNNVisualizer()], []):
        with tempfile.TemporaryDirectory() as folder:
            quiet_trainer(
                max_epochs=looks - 1,  # and one look before them
                limit_train_batches=2,
                limit_val_batches=2,
                logger=TensorBoardLogger(folder),
                callbacks=callbacks,
            ).fit(MnistCNN(), datamodule=MnistDataModule())
            sizes.append(sum(path.stat().st_size for path in Path(folder).rglob("*tfevents*")))
    return (sizes[0] - sizes[1]) / looks
