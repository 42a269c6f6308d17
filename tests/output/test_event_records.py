from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard import SummaryWriter

from lightning_cnnviz.output.artifacts import Picture
from lightning_cnnviz.output.event_records import record, use_fast_checksums
from lightning_cnnviz.output.tensorboard import TensorBoardSink


@pytest.mark.parametrize("data", [b"", b"\x00", b"123456789", np.random.default_rng(0).bytes(100_003)])
def test_a_record_is_the_one_that_tensorboard_writes(data: bytes) -> None:
    file = io.BytesIO()
    RecordWriter(file).write(data)
    assert record(data) == file.getvalue()


def test_an_event_file_is_the_same_to_the_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1.0)  # every event has the time in it
    contents = []
    for fast in (False, True):
        with SummaryWriter(str(tmp_path / str(fast))) as experiment:
            if fast:
                use_fast_checksums(experiment._get_file_writer())
            experiment.add_scalar("loss", 0.5, 1)
            experiment.add_image("noise", np.random.default_rng(0).random((3, 50, 60)), 1)
            experiment.flush()
            experiment.add_text("note", "text", 2)
        (file,) = (tmp_path / str(fast)).iterdir()
        contents.append(file.read_bytes())
    assert contents[0] == contents[1]


def test_tensorboards_own_checksum_is_not_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SummaryWriter(str(tmp_path)) as experiment:
        use_fast_checksums(experiment._get_file_writer())
        monkeypatch.setattr("tensorboard.summary.writer.record_writer.masked_crc32c", None)
        experiment.add_scalar("loss", 0.5, 1)


def test_other_writers_keep_theirs(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path / "a")) as untouched, SummaryWriter(str(tmp_path / "b")) as experiment:
        use_fast_checksums(experiment._get_file_writer())
        use_fast_checksums(experiment._get_file_writer())  # twice is once
        records = [writer._get_file_writer().event_writer._async_writer._writer for writer in (untouched, experiment)]
        assert ["write" in vars(writer) for writer in records] == [False, True]


@pytest.mark.parametrize("missing", ["google_crc32c", "tensorboard.summary.writer.record_writer"])
def test_without_what_it_takes_a_writer_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    with SummaryWriter(str(tmp_path)) as experiment:
        monkeypatch.setitem(sys.modules, missing, None)
        use_fast_checksums(experiment._get_file_writer())
        assert "write" not in vars(experiment._get_file_writer().event_writer._async_writer._writer)


def test_a_writer_of_another_kind_is_left_as_it_is() -> None:
    use_fast_checksums(object())  # type: ignore[arg-type]


def test_pictures_are_written_fast_also_after_the_writer_was_closed(tmp_path: Path) -> None:
    experiment = SummaryWriter(str(tmp_path))
    sink = TensorBoardSink(experiment)
    for step in range(2):
        sink.write(Picture("a", np.zeros((2, 2, 3), np.uint8)), step)
        assert "write" in vars(experiment._get_file_writer().event_writer._async_writer._writer)
        experiment.close()
