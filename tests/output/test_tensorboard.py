from __future__ import annotations

import copy
import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from lightning_cnnviz.output import disk
from lightning_cnnviz.output.artifacts import RGB, Array, Note, Picture, Scalar
from lightning_cnnviz.output.tensorboard import TensorBoardSink
from lightning_cnnviz.output.writer import BackgroundWriter
from tests.helpers.pictures import decode, noise


@pytest.fixture
def picture() -> RGB:
    return noise()


def read(log_dir: Path) -> EventAccumulator:
    events = EventAccumulator(str(log_dir), size_guidance={"images": 0, "scalars": 0, "tensors": 0})
    events.Reload()
    return events


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
        writer = BackgroundWriter([TensorBoardSink(experiment)])
        writer.submit(Scalar("drift/cka", 0.25), 3)
        writer.submit(Scalar("drift/cka", float("nan")), 4)
        writer.submit(Note("model_summary", "| layer | größe |\n|---|---|\n| conv | 8 |"), 3)
        writer.submit(Array("grad_cam/conv", torch.ones(2, 2)), 3)
        assert writer.close()

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


def test_a_copied_tensorboard_sink_says_that_it_has_no_client(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as experiment:
        copied = copy.deepcopy(TensorBoardSink(experiment))
        copied.flush()
        with pytest.raises(RuntimeError, match="copied TensorBoardSink has no client"):
            copied.write(Scalar("a", 1.0), 1)


# Before TensorBoard's own thread breaks down over it, and with it Lightning's next write


def all_but_full(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "SPARE_BYTES", shutil.disk_usage(directory).free * 2)


def replaced_by_a_file(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(directory)
    directory.write_text("")


def deleted(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(directory)


def without_its_file(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in directory.iterdir():
        file.unlink()


def out_of_descriptors(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "open", refuse)


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (all_but_full, errno.ENOSPC),
        (replaced_by_a_file, errno.ENOTDIR),
        (deleted, errno.ENOENT),
        (without_its_file, errno.ENOENT),
        (out_of_descriptors, errno.EMFILE),
    ],
)
def test_what_ails_the_directory_is_noticed_before_tensorboard_meets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture: RGB, harm: object, expected: int
) -> None:
    run = tmp_path / "run"
    experiment = SummaryWriter(str(run))
    sink = TensorBoardSink(experiment)
    sink.write(Picture("a", picture), 1)
    sink.flush()
    harm(run, monkeypatch)  # type: ignore[operator]
    for artifact in (Picture("a", picture), Scalar("b", 1.0), Note("c", "text")):
        with pytest.raises(OSError) as caught:  # noqa: PT011 - the number says which
            sink.write(artifact, 2)
        assert caught.value.errno == expected
    experiment.flush()  # as Lightning does at the end; it raises what TensorBoard's thread met with
    experiment.close()
