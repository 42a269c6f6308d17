"""Runs whose log directory lies on object storage: fsspec's own, in memory."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lightning_cnnviz import CNNVisualizer, FileSink, GradCAM, explain
from lightning_cnnviz.__main__ import main
from lightning_cnnviz.output.disk import files_below, read_whole
from lightning_cnnviz.output.record import step_of
from lightning_cnnviz.output.run_report import ReportFile
from lightning_cnnviz.page.reading import read_runs
from lightning_cnnviz.page.report import read_report
from tests.helpers.records import encoded_looks, run_record, write_run
from tests.helpers.training import SmallCNN, fit, image_steps, sha

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
    (run,) = read_report(read_whole(path))
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


def test_the_command_makes_one_report_of_all_runs_there(capsys: pytest.CaptureFixture[str]) -> None:
    write_run(f"{ROOT}/logs/version_0", encoded_looks(3))
    write_run(f"{ROOT}/logs/version_1", encoded_looks(5))
    assert main(["report", f"{ROOT}/logs/"]) == 0
    path = capsys.readouterr().out.strip()
    assert path == f"{ROOT}/logs/report.html"
    assert read_report(read_whole(path)) == [run_record("version_0", 3), run_record("version_1", 5)]
    assert read_runs(f"{ROOT}/logs/version_1") == [run_record("version_1", 5)]


def test_pictures_and_records_that_were_copied_there_are_read(tmp_path: Path) -> None:
    explain(SmallCNN(), torch.rand(3, 1, 8, 8), [GradCAM()]).write(FileSink(tmp_path / "run"), 5)
    filesystem, root = fsspec.core.url_to_fs(ROOT)
    filesystem.put(str(tmp_path), root, recursive=True)
    (here,) = read_runs(tmp_path)
    assert [here] == read_runs(ROOT)
    assert [step_of(blobs) for blobs in here.looks] == [5]


@pytest.mark.parametrize(
    ("address", "message"),
    [(ROOT, "no record of CNNVisualizer below memory://object_storage_test"), ("nowhere://logs", "nowhere")],
)
def test_an_address_with_nothing_to_read_ends_the_command_with_one_line(
    address: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["report", address])
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_what_takes_files_on_a_disk_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"directory must lie on a disk, got 'memory://object_storage_test'"):
        FileSink(ROOT)
    with pytest.warns(UserWarning, match="pictures cannot be written to memory://object_storage_test/run/one"):
        fit(tmp_path, [CNNVisualizer([GradCAM()], samples=3)], logger=CSVLogger(ROOT, name="run", version="one"))


def test_an_object_that_stands_for_a_folder_is_no_file() -> None:
    from fsspec.implementations.memory import MemoryFile

    filesystem, root = fsspec.core.url_to_fs(ROOT)
    filesystem.pipe(f"{root}/run/events", b"some")
    filesystem.store[f"{root}/run/"] = MemoryFile(filesystem, f"{root}/run/")  # as S3's console makes one
    try:
        assert f"{root}/run/" in filesystem.find(root)
        assert list(files_below(ROOT)) == ["run/events"]
    finally:
        del filesystem.store[f"{root}/run/"]
