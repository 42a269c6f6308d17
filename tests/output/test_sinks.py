from __future__ import annotations

import copy
import csv
import errno
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.loggers.logger import DummyLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from lightning_cnnviz.output.artifacts import RGB, Array, Note, Picture, Scalar
from lightning_cnnviz.output.sinks import FileSink, TensorBoardSink, tensorboard_experiments
from lightning_cnnviz.output.writer import BackgroundWriter


@pytest.fixture
def picture() -> RGB:
    return np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)


def read(log_dir: Path) -> EventAccumulator:
    events = EventAccumulator(str(log_dir), size_guidance={"images": 0, "scalars": 0, "tensors": 0})
    events.Reload()
    return events


def decode(encoded: bytes) -> RGB:
    bgr = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8)


def scalar(step: int, tag: str = "drift/cka") -> Scalar:
    return Scalar(tag, float(step))


# TensorBoard


def test_tensorboard_reads_back_the_picture_bit_for_bit(tmp_path: Path, picture: RGB) -> None:
    experiment = SummaryWriter(str(tmp_path))
    sink = TensorBoardSink(experiment)
    sink.write(Picture("grad_cam/layer4.1.conv2", picture), 0)
    sink.write(Picture("grad_cam/layer4.1.conv2", 255 - picture), 16)
    sink.flush()

    events = read(tmp_path).Images("grad_cam/layer4.1.conv2")
    assert [event.step for event in events] == [0, 16]
    assert [(event.width, event.height) for event in events] == [(5, 7), (5, 7)]
    np.testing.assert_array_equal(decode(events[0].encoded_image_string), picture)
    np.testing.assert_array_equal(decode(events[1].encoded_image_string), 255 - picture)
    experiment.close()


def test_tensorboard_keeps_red_red(tmp_path: Path) -> None:
    red = np.full((4, 4, 3), (255, 0, 0), dtype=np.uint8)
    experiment = SummaryWriter(str(tmp_path))
    experiment.add_image("by_torch", red, 1, dataformats="HWC")
    TensorBoardSink(experiment).write(Picture("by_us", red), 1)
    experiment.close()

    events = read(tmp_path)
    theirs, ours = (decode(events.Images(tag)[0].encoded_image_string) for tag in ("by_torch", "by_us"))
    np.testing.assert_array_equal(ours, theirs)


def test_tensorboard_takes_a_view_of_an_array(tmp_path: Path, picture: RGB) -> None:
    mirrored = picture[:, ::-1]
    with SummaryWriter(str(tmp_path)) as experiment:
        TensorBoardSink(experiment).write(Picture("mirrored", mirrored), 1)
    np.testing.assert_array_equal(decode(read(tmp_path).Images("mirrored")[0].encoded_image_string), mirrored)


def test_tensorboard_reads_back_scalars_and_notes_and_no_arrays(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as experiment:
        sink = TensorBoardSink(experiment)
        sink.write(Scalar("drift/cka", 0.25), 3)
        sink.write(Scalar("drift/cka", float("nan")), 4)
        sink.write(Note("model_summary", "| layer | größe |\n|---|---|\n| conv | 8 |"), 3)
        sink.write(Array("grad_cam/conv", torch.ones(2, 2)), 3)

    events = read(tmp_path)
    assert (events.Scalars("drift/cka")[0].step, events.Scalars("drift/cka")[0].value) == (3, 0.25)
    assert np.isnan(events.Scalars("drift/cka")[1].value)
    note = events.Tensors("model_summary/text_summary")[0]
    assert note.step == 3
    assert note.tensor_proto.string_val[0].decode() == "| layer | größe |\n|---|---|\n| conv | 8 |"
    assert events.SummaryMetadata("model_summary/text_summary").plugin_data.plugin_name == "text"
    assert events.Tags()["images"] == []
    assert events.Tags()["scalars"] == ["drift/cka"]


def test_tensorboard_sink_opens_no_file_of_its_own(tmp_path: Path, picture: RGB) -> None:
    with SummaryWriter(str(tmp_path)) as experiment:
        TensorBoardSink(experiment).write(Picture("a", picture), 1)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_copied_tensorboard_sink_says_that_it_has_no_writer(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as experiment:
        copied = copy.deepcopy(TensorBoardSink(experiment))
        copied.flush()
        with pytest.raises(RuntimeError, match="copied TensorBoardSink has no writer"):
            copied.write(scalar(1), 1)


# Loggers


def test_experiments_of_both_tensorboard_loggers_and_of_nothing_else(tmp_path: Path) -> None:
    class MyLogger(TensorBoardLogger): ...

    first, second = TensorBoardLogger(tmp_path / "a"), MyLogger(tmp_path / "b")
    loggers = [None, first, DummyLogger(), CSVLogger(tmp_path / "c"), second]
    assert tensorboard_experiments(loggers) == [first.experiment, second.experiment]
    assert tensorboard_experiments([]) == []


def test_experiment_of_the_other_lightning_package() -> None:
    class Base:
        experiment = "theirs"

    foreign = type("Subclass", (type("TensorBoardLogger", (Base,), {}),), {})
    assert not isinstance(foreign(), TensorBoardLogger)
    experiments: list[object] = list(tensorboard_experiments([foreign()]))
    assert experiments == ["theirs"]


def test_fast_dev_run_has_no_experiments(tmp_path: Path) -> None:
    trainer = Trainer(fast_dev_run=True, logger=TensorBoardLogger(tmp_path), accelerator="cpu")
    assert len(trainer.loggers) == 1
    assert tensorboard_experiments(trainer.loggers) == []


def test_two_loggers_get_the_same(tmp_path: Path, picture: RGB) -> None:
    loggers = [TensorBoardLogger(tmp_path / name) for name in "ab"]
    writer = BackgroundWriter([TensorBoardSink(experiment) for experiment in tensorboard_experiments(loggers)])
    writer.submit(Picture("filters/conv1", picture), 5)
    assert writer.close()
    for logger in loggers:
        event = read(Path(logger.log_dir)).Images("filters/conv1")[0]
        assert event.step == 5
        np.testing.assert_array_equal(decode(event.encoded_image_string), picture)


# Files


def test_files_of_pictures_and_notes(tmp_path: Path, picture: RGB) -> None:
    sink = FileSink(tmp_path / "new")
    sink.write(Picture("grad_cam/layer4.1.conv2", picture), 12)
    sink.write(Note("model_summary", "größe"), 1234567)
    sink.write(Array("grad_cam/layer4", torch.ones(1)), 12)
    sink.flush()

    files = sorted(str(path.relative_to(tmp_path / "new")) for path in tmp_path.rglob("*") if path.is_file())
    assert files == ["grad_cam/layer4.1.conv2_000012.png", "model_summary_1234567.md"]
    np.testing.assert_array_equal(decode((tmp_path / "new" / files[0]).read_bytes()), picture)
    assert (tmp_path / "new" / files[1]).read_text(encoding="utf-8") == "größe"


def test_scalars_are_appended_below_one_header(tmp_path: Path) -> None:
    FileSink(tmp_path).write(Scalar("drift/a,b", 0.1), 1)
    FileSink(tmp_path).write(Scalar("drift/a,b", -2.5), 3)
    with (tmp_path / "scalars.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["tag", "step", "value"],
            ["drift/a,b", "1", "0.1"],
            ["drift/a,b", "3", "-2.5"],
        ]


@pytest.mark.parametrize(
    ("tag", "path"),
    [
        ("../../up", "_/_/up_000001.md"),
        ("/etc/passwd", "_/etc/passwd_000001.md"),
        ("what?/a:b", "what_/a_b_000001.md"),
        ("..", "__000001.md"),
    ],
)
def test_a_tag_never_leads_out_of_the_directory(tmp_path: Path, tag: str, path: str) -> None:
    FileSink(tmp_path / "in").write(Note(tag, "text"), 1)
    assert [found for found in tmp_path.rglob("*") if found.is_file()] == [tmp_path / "in" / path]


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = FileSink(tmp_path)
    sink.write(Note("note", "old"), 1)

    def half(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:1])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(OSError, match="No space left"):
        sink.write(Note("note", "new"), 1)
    assert [path.name for path in tmp_path.iterdir()] == ["note_000001.md"]
    assert (tmp_path / "note_000001.md").read_text() == "old"


def test_a_directory_deleted_meanwhile_is_made_again(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "out")
    sink.write(scalar(1), 1)
    shutil.rmtree(tmp_path / "out")
    sink.write(scalar(2), 2)
    assert (tmp_path / "out" / "scalars.csv").read_text().splitlines() == ["tag,step,value", "drift/cka,2,2.0"]


def test_a_jpeg_is_smaller_and_close_to_the_picture(tmp_path: Path) -> None:
    gradient = np.linspace(0, 255, 200, dtype=np.uint8)
    noise = np.random.default_rng(0).integers(0, 20, (200, 200, 3), dtype=np.uint8)
    image = np.stack([np.tile(gradient, (200, 1))] * 3, axis=2) // 2 + noise
    sink = FileSink(tmp_path)
    sink.write(Picture("photo", image, format="jpeg"), 1)
    sink.write(Picture("photo", image), 1)
    stored = tmp_path / "photo_000001.jpeg"
    back = cv2.cvtColor(cv2.imread(str(stored)), cv2.COLOR_BGR2RGB)
    assert stored.stat().st_size * 2 < (tmp_path / "photo_000001.png").stat().st_size
    assert np.abs(back.astype(int) - image).mean() < 5
