"""Sinks that fail: they rest, it is said once, and the others go on."""

from __future__ import annotations

import errno
import shutil
import threading
from pathlib import Path

import pytest
from torch.utils.tensorboard import SummaryWriter

from lightning_cnnviz.output.artifacts import PLAIN, RGB, Artifact, Note, Picture, Style
from lightning_cnnviz.output.files import FileSink
from lightning_cnnviz.output.tensorboard import TensorBoardSink
from lightning_cnnviz.output.writer import BackgroundWriter, WriterError
from tests.helpers.sinks import FailingSink, RecordingSink, scalar


def await_the_end_of_its_thread(experiment: SummaryWriter) -> None:
    # Its traceback would otherwise be reported as a warning in whichever test runs by then.
    experiment._get_file_writer().event_writer._async_writer._worker.join(300)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    "cause",
    [OSError(errno.ENOSPC, "No space left on device"), MemoryError("none left"), SystemExit(3)],
    ids=["disk", "memory", "exit"],
)
def test_a_failing_sink_rests_until_the_next_flush_and_the_others_go_on(cause: BaseException) -> None:
    failing, sound = FailingSink(cause, after=1), RecordingSink()
    writer = BackgroundWriter([failing, sound])
    for step in range(8):
        writer.submit(scalar(step, "a"), step)
    assert writer.flush()
    assert failing.calls == 4  # after three in a row it is the sink, not the artifact
    writer.submit(scalar(8, "a"), 8)
    assert writer.close()
    assert sound.written == [("a", step) for step in range(9)]
    assert failing.calls == 5
    [error] = writer.take_errors()
    assert isinstance(error, WriterError)
    assert error.__cause__ is cause
    assert str(error).startswith(f"FailingSink left out 'a' at step 1: {type(cause).__name__}: ")
    assert str(cause) in str(error)
    assert writer.take_errors() == []
    assert (writer.left_out, writer.dropped) == (8, 0)


class Picky(RecordingSink):
    """Cannot write one of the tags."""

    def write(self, artifact: Artifact, step: int) -> None:
        if artifact.tag == "bad":
            raise ValueError("65,501 pixels")
        super().write(artifact, step)


def test_a_bad_artifact_costs_itself_and_one_warning() -> None:
    sink = Picky()
    writer = BackgroundWriter([sink])
    for step in range(5):
        for tag in ("bad", "a", "b"):
            writer.submit(scalar(step, tag), step)
        assert writer.flush()
    assert writer.close()
    assert sink.written == [(tag, step) for step in range(5) for tag in "ab"]
    assert [str(error) for error in writer.take_errors()] == [
        "Picky left out 'bad' at step 0: ValueError: 65,501 pixels"
    ]
    assert writer.left_out == 5


def test_each_kind_of_error_is_told_once() -> None:
    sink = FailingSink(OSError(errno.ENOSPC, "full"))
    writer = BackgroundWriter([sink])
    for step, cause in enumerate([sink.error, sink.error, OSError(errno.EROFS, "read-only"), ValueError("what")]):
        sink.error = cause
        writer.submit(scalar(step), step)
        assert writer.flush()
    assert writer.close()
    causes = [error.__cause__ for error in writer.take_errors()]
    assert [getattr(cause, "errno", None) for cause in causes] == [errno.ENOSPC, errno.EROFS, None]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_full_disk_behind_tensorboard_is_an_error_not_a_crash(tmp_path: Path, picture: RGB) -> None:
    experiment = SummaryWriter(str(tmp_path))
    [event_file] = tmp_path.iterdir()
    event_file.unlink()
    event_file.symlink_to("/dev/full")
    other = RecordingSink()
    writer = BackgroundWriter([TensorBoardSink(experiment), other])
    for step in range(3):
        writer.submit(Picture("a", picture), step)
    assert writer.close()
    assert other.written == [("a", 0), ("a", 1), ("a", 2)]
    [error] = writer.take_errors()
    assert isinstance(error.__cause__, OSError)
    assert error.__cause__.errno == errno.ENOSPC
    await_the_end_of_its_thread(experiment)


def test_a_deleted_log_directory_is_an_error_not_a_crash(tmp_path: Path, picture: RGB) -> None:
    experiment = SummaryWriter(str(tmp_path / "run"))
    shutil.rmtree(tmp_path / "run")
    writer = BackgroundWriter([TensorBoardSink(experiment)])
    writer.submit(Picture("a", picture), 1)
    assert writer.flush()
    writer.submit(Picture("a", picture), 2)
    assert writer.close()
    [error] = writer.take_errors()
    assert isinstance(error.__cause__, FileNotFoundError)
    experiment.close()  # TensorBoard's own thread met with nothing


def test_a_thread_that_cannot_start_is_an_error_not_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    writer = BackgroundWriter([RecordingSink()])
    with monkeypatch.context() as context:
        context.setattr(threading.Thread, "start", refuse)
        writer.submit(scalar(1), 1)
    assert [str(error) for error in writer.take_errors()] == [
        "no writer thread could be started: RuntimeError: can't start new thread"
    ]
    assert writer.dropped == 1
    assert writer.last_steps == {}


class Unable:
    def draw(self, style: Style = PLAIN) -> RGB:
        raise KeyError("x")


def test_a_picture_that_cannot_be_drawn_is_said_once_and_switches_no_sink_off(tmp_path: Path) -> None:
    sinks = [FileSink(tmp_path / "a"), FileSink(tmp_path / "b")]
    writer = BackgroundWriter(sinks)
    for step in range(2):
        writer.submit(Picture("bad", Unable()), step)
    writer.submit(Note("good", "text"), 1)
    assert writer.close()
    assert [str(error) for error in writer.take_errors()] == ["bad could not be drawn: KeyError: 'x'"]
    assert [(tmp_path / name / "good_000001.md").read_text() for name in "ab"] == ["text", "text"]
