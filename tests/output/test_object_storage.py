"""Runs whose log directory lies on object storage: fsspec's own, in memory."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lightning_cnnviz import CNNVisualizer, FileSink, GradCAM
from lightning_cnnviz.output.record import step_of
from lightning_cnnviz.output.run_report import ReportFile
from lightning_cnnviz.page.report import read_report
from tests.helpers.training import fit, image_steps, sha

ROOT = "memory://object_storage_test"


@pytest.fixture(autouse=True)
def _emptied() -> Iterator[None]:
    yield
    filesystem, root = fsspec.core.url_to_fs(ROOT)
    if filesystem.exists(root):
        filesystem.rm(root, recursive=True)


def events(directory: str) -> EventAccumulator:
    accumulator = EventAccumulator(directory, size_guidance={"images": 0, "tensors": 0})
    accumulator.Reload()
    return accumulator


def report_steps(path: str | Path) -> list[int]:
    with fsspec.open(str(path), "rb") as file:
        (run,) = read_report(file.read())
    return [step_of(blobs) for blobs in run.looks]


def test_pictures_the_record_and_the_report_are_there_as_on_a_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here = fit(tmp_path / "here", [CNNVisualizer([GradCAM()], samples=3)])
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.filterwarnings("ignore", module=r"lightning\.")
        logger = TensorBoardLogger(ROOT, name="run", version="one")
        there = fit(tmp_path / "there", [CNNVisualizer([GradCAM()], samples=3)], logger=logger, default_root_dir=ROOT)
    assert sha(here) == sha(there)

    found, expected = events(f"{ROOT}/run/one"), events(str(tmp_path / "here" / "events"))
    assert found.Tags()["images"] == expected.Tags()["images"] != []
    for tag in found.Tags()["images"]:
        pictures = [[(e.step, e.encoded_image_string) for e in one.Images(tag)] for one in (found, expected)]
        assert pictures[0] == pictures[1]
    records = [[event.step for event in one.Tensors("record/look")] for one in (found, expected)]
    steps = image_steps(tmp_path / "here")["grad_cam/body"]
    assert records == [steps, steps]
    assert report_steps(f"{ROOT}/run/one/report.html") == report_steps(tmp_path / "here/events/report.html") == steps
    assert not list(tmp_path.glob("memory:*")), "no directory on the disk is named after the address"


def test_a_resumed_run_goes_on_with_its_report() -> None:
    from tests.output.test_run_report import look

    for step in (10, 20):
        report = ReportFile(f"{ROOT}/run/")
        report.add(look(step), step)
        report.complete()
    assert report_steps(f"{ROOT}/run/report.html") == [10, 20]


def test_what_takes_files_on_a_disk_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"directory must lie on a disk, got 'memory://object_storage_test'"):
        FileSink(ROOT)
    with pytest.warns(UserWarning, match="pictures cannot be written to memory://object_storage_test/run/one"):
        fit(tmp_path, [CNNVisualizer([GradCAM()], samples=3)], logger=CSVLogger(ROOT, name="run", version="one"))
