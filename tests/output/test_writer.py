from __future__ import annotations

import atexit
import copy
import errno
import gc
import os
import pickle
import shutil
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from threading import Event

import numpy as np
import pytest
import torch
from torch.utils.tensorboard import SummaryWriter

from lightning_cnnviz.output import worker
from lightning_cnnviz.output.artifacts import PLAIN, RGB, Array, Artifact, Note, Picture, Scalar, Style
from lightning_cnnviz.output.files import FileSink
from lightning_cnnviz.output.sink import Sink
from lightning_cnnviz.output.tensorboard import TensorBoardSink
from lightning_cnnviz.output.writer import BackgroundWriter, WriterError


class RecordingSink(Sink):
    """Keeps what it is given; can be held up, and told to fail."""

    def __init__(self) -> None:
        self.written: list[tuple[str, int]] = []
        self.flushes = 0
        self.threads: set[str] = set()
        self.entered = Event()
        self.open = Event()
        self.open.set()

    def write(self, artifact: Artifact, step: int) -> None:
        self.threads.add(threading.current_thread().name)
        self.entered.set()
        assert self.open.wait(20)
        self.written.append((artifact.tag, step))

    def flush(self) -> None:
        self.flushes += 1


class FailingSink(Sink):
    def __init__(self, error: BaseException, *, after: int = 0) -> None:
        self.error = error
        self.after = after
        self.calls = 0

    def write(self, artifact: Artifact, step: int) -> None:
        self.calls += 1
        if self.calls > self.after:
            raise self.error

    def flush(self) -> None: ...


@pytest.fixture
def held_sink() -> Iterator[RecordingSink]:
    sink = RecordingSink()
    sink.open.clear()
    yield sink
    sink.open.set()


@pytest.fixture
def picture() -> RGB:
    return np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)


def writer_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "lightning_cnnviz-writer"]


def await_the_end_of_its_thread(experiment: SummaryWriter) -> None:
    # Its traceback would otherwise be reported as a warning in whichever test runs by then.
    experiment._get_file_writer().event_writer._async_writer._worker.join(20)  # type: ignore[no-untyped-call]


def scalar(step: int, tag: str = "drift/cka") -> Scalar:
    return Scalar(tag, float(step))


# Order and steps


def test_everything_arrives_in_order_on_one_other_thread() -> None:
    sink = RecordingSink()
    writer = BackgroundWriter([sink], max_pending=2, max_wait_s=300)
    for step in range(50):
        writer.submit(scalar(step, "a"), step)
        writer.submit(scalar(step, "b"), step)
    assert writer.flush()
    assert sink.written == [(tag, step) for step in range(50) for tag in "ab"]
    assert sink.threads == {"lightning_cnnviz-writer"}
    assert sink.flushes == 1
    assert writer.dropped == 0
    writer.close()


def test_steps_that_do_not_increase_are_ignored_per_tag() -> None:
    sink = RecordingSink()
    writer = BackgroundWriter([sink])
    for tag, step in [("a", 0), ("a", 0), ("a", 5), ("a", 4), ("b", 4), ("a", 6)]:
        writer.submit(scalar(step, tag), step)
    assert writer.close()
    assert sink.written == [("a", 0), ("a", 5), ("b", 4), ("a", 6)]
    assert writer.last_steps == {"a": 6, "b": 4}
    assert writer.dropped == 0


def test_a_note_and_an_array_may_share_tag_and_step_with_a_picture(picture: RGB) -> None:
    sink = RecordingSink()
    sink.takes = (Array, Picture, Note)
    writer = BackgroundWriter([sink])
    for _ in range(2):
        for artifact in (Array("cam", torch.ones(1)), Picture("cam", picture), Note("cam", "blank")):
            writer.submit(artifact, 3)
    assert writer.close()
    assert sink.written == [("cam", 3)] * 3


def test_a_resumed_run_goes_on_after_the_last_step() -> None:
    sink = RecordingSink()
    writer = BackgroundWriter([sink])
    writer.last_steps = {"a": 7}
    for step in (6, 7, 8):
        writer.submit(scalar(step, "a"), step)
    assert writer.close()
    assert sink.written == [("a", 8)]


# Sinks that fail


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


def test_a_note_with_an_undecodable_character_is_written_with_it_written_out(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path / "run")) as experiment:
        writer = BackgroundWriter([TensorBoardSink(experiment), FileSink(tmp_path / "files")])
        writer.submit(Note("classes", "caf\udce9"), 1)
        writer.submit(Scalar("caf\udce9", 1.0), 1)
        assert writer.close()
    assert writer.take_errors() == []
    assert (tmp_path / "files" / "classes_000001.md").read_text() == "caf\\udce9"
    assert (tmp_path / "files" / "scalars.csv").read_text().splitlines()[1] == "caf\\udce9,1,1.0"


# What sinks take


def test_what_no_sink_takes_is_not_queued(held_sink: RecordingSink, picture: RGB) -> None:
    class Pictures(RecordingSink):
        takes = (Picture,)

    class Arrays(RecordingSink):
        takes = (Array,)

    everything: list[Artifact] = [Picture("a", picture), scalar(1, "b"), Note("c", "text"), Array("a", torch.ones(1))]
    pictures, arrays = Pictures(), Arrays()
    writer = BackgroundWriter([pictures, arrays])
    for artifact in everything:
        writer.submit(artifact, 1)
    assert writer.last_steps == {"a": 1, "a/array": 1}
    assert writer.close()
    assert (pictures.written, arrays.written) == ([("a", 1)], [("a", 1)])

    writer = BackgroundWriter([held_sink], max_pending=3)
    for artifact in everything:
        writer.submit(artifact, 1)
    assert writer.dropped == 0  # the array takes no place in the queue
    held_sink.open.set()
    assert writer.close()
    assert held_sink.written == [("a", 1), ("b", 1), ("c", 1)]


def test_a_sink_that_is_held_up_takes_nothing_from_the_others(held_sink: RecordingSink) -> None:
    sound = RecordingSink()
    writer = BackgroundWriter([held_sink, sound], max_pending=2, max_wait_s=0.1)
    writer._workers[1]._max_wait_s = 300.0  # however slow the machine is
    for step in range(20):
        writer.submit(scalar(step, "a"), step)
        if step == 0:
            assert held_sink.entered.wait(20)
    assert (writer.dropped, writer.slow) == (17, {"RecordingSink"})
    flushed = writer._workers[1].request_flush(time.monotonic() + 300)
    assert flushed is not None
    assert flushed.wait(300)
    assert not writer.close(timeout=0.1)
    assert sound.written == [("a", step) for step in range(20)]
    assert writer.dropped == 19
    held_sink.open.set()
    for thread in writer_threads():
        thread.join(300)


def test_without_sinks_nothing_starts() -> None:
    writer = BackgroundWriter([])
    writer.submit(scalar(1), 1)
    assert writer_threads() == []
    assert writer.last_steps == {}
    assert writer.flush()
    assert writer.close()


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


# Sinks that are slow


def test_submit_does_not_wait_for_the_sink(held_sink: RecordingSink) -> None:
    writer = BackgroundWriter([held_sink])
    for step in range(20):
        writer.submit(scalar(step, "a"), step)
    assert held_sink.written == []
    held_sink.open.set()
    assert writer.close()
    assert len(held_sink.written) == 20


def test_a_full_queue_costs_at_most_max_wait_s_in_all(
    held_sink: RecordingSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    class Watched(Queue[object]):
        def put(self, item: object, block: bool = True, timeout: float | None = None) -> None:
            waits.append(-1.0 if timeout is None else timeout)
            super().put(item, block, timeout)

    monkeypatch.setattr(worker, "Queue", Watched)
    writer = BackgroundWriter([held_sink], max_pending=2, max_wait_s=0.3)
    writer.submit(scalar(0, "a"), 0)
    assert held_sink.entered.wait(20)
    for step in range(1, 9):  # 1 and 2 wait in the queue, six do not fit
        writer.submit(scalar(step, "a"), step)
    assert waits[:2] == [0.3, 0.3]
    assert 0 <= waits[3] <= 0.3
    assert waits[4:] == [0] * 5  # not 0.3 s for each of the six
    assert writer.dropped == 6
    assert writer.last_steps == {"a": 2}

    held_sink.open.set()
    assert writer.flush()
    writer.submit(scalar(3, "a"), 3)
    assert writer.close()
    assert held_sink.written == [("a", 0), ("a", 1), ("a", 2), ("a", 3)]


def test_patience_comes_back_once_the_queue_was_empty(held_sink: RecordingSink) -> None:
    writer = BackgroundWriter([held_sink], max_pending=1, max_wait_s=0.5)
    for step in range(4):
        writer.submit(scalar(step, "a"), step)
        assert held_sink.entered.wait(20)
    assert writer.dropped == 2
    held_sink.open.set()
    assert writer.flush()

    writer._workers[0]._max_wait_s = 20.0  # however slow the machine is
    held_sink.open.clear()
    held_sink.entered.clear()
    writer.submit(scalar(4, "a"), 4)
    assert held_sink.entered.wait(20)
    writer.submit(scalar(5, "a"), 5)
    threading.Timer(0.05, held_sink.open.set).start()
    writer.submit(scalar(6, "a"), 6)
    assert writer.close()
    assert writer.dropped == 2
    assert held_sink.written[-3:] == [("a", 4), ("a", 5), ("a", 6)]


def test_flush_and_close_give_up_in_time(held_sink: RecordingSink) -> None:
    writer = BackgroundWriter([held_sink], max_pending=3)
    for step in range(3):
        writer.submit(scalar(step, "a"), step)
    assert held_sink.entered.wait(20)
    started = time.monotonic()
    assert not writer.flush(timeout=0.1)
    assert not writer.close(timeout=0.1)
    assert time.monotonic() - started < 10  # the sink is held up for 20
    assert writer.dropped == 2  # the first is in the sink's hands

    [abandoned] = writer_threads()
    held_sink.open.set()
    abandoned.join(20)
    assert not abandoned.is_alive()
    assert held_sink.written == [("a", 0)]


def test_flush_without_waiting_still_flushes() -> None:
    sink = RecordingSink()
    writer = BackgroundWriter([sink])
    writer.submit(scalar(1), 1)
    writer.flush(timeout=0)
    writer.close()
    assert sink.flushes == 2


# Life and death


def test_no_thread_before_the_first_submit_and_none_after_close() -> None:
    writer = BackgroundWriter([RecordingSink()])
    assert writer_threads() == []
    writer.submit(scalar(1), 1)
    assert len(writer_threads()) == 1
    assert writer_threads()[0].daemon
    assert writer.close()
    assert writer_threads() == []
    assert writer.close()


def test_usable_again_after_close() -> None:
    sink = RecordingSink()
    writer = BackgroundWriter([sink])
    writer.submit(scalar(1, "a"), 1)
    assert writer.close()
    writer.submit(scalar(1, "a"), 1)
    writer.submit(scalar(2, "a"), 2)
    assert writer.close()
    assert sink.written == [("a", 1), ("a", 2)]
    assert sink.flushes == 2
    assert writer_threads() == []


def test_pickle_and_deepcopy_take_no_thread_along(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path / "run")) as experiment:
        writer = BackgroundWriter([FileSink(tmp_path / "files"), TensorBoardSink(experiment)])
        assert pickle.loads(pickle.dumps(writer)).last_steps == {}
        writer.submit(scalar(1, "a"), 1)
        assert writer.flush()

        for step, copied in enumerate([pickle.loads(pickle.dumps(writer)), copy.deepcopy(writer)], start=2):
            assert len(writer_threads()) == 2
            copied.submit(scalar(1, "a"), 1)
            copied.submit(scalar(step, "a"), step)
            assert copied.close()
            assert copied.last_steps == {"a": step}
            assert ["copied TensorBoardSink" in str(error) for error in copied.take_errors()] == [True]
        assert writer.last_steps == {"a": 1}
        assert writer.close()
        assert writer.take_errors() == []
    lines = (tmp_path / "files" / "scalars.csv").read_text().splitlines()
    assert lines == ["tag,step,value", "a,1,1.0", "a,2,2.0", "a,3,3.0"]


def exit_code(child: int, timeout: float) -> int | None:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_does_not_wait_for_the_thread_of_its_parent(tmp_path: Path, held_sink: RecordingSink) -> None:
    writer = BackgroundWriter([FileSink(tmp_path), held_sink])
    writer.submit(scalar(1, "parent"), 1)
    assert held_sink.entered.wait(20)
    writer.submit(scalar(2, "parent"), 2)

    child = os.fork()
    if child == 0:
        held_sink.open = Event()
        held_sink.open.set()
        unharmed = writer.flush(30) and not writer_threads()
        writer.submit(scalar(3, "child"), 3)
        os._exit(0 if unharmed and writer.close(30) and held_sink.written == [("child", 3)] else 1)
    assert exit_code(child, 60) == 0

    held_sink.open.set()
    assert writer.close()
    assert held_sink.written == [("parent", 1), ("parent", 2)]
    lines = (tmp_path / "scalars.csv").read_text().splitlines()
    assert sorted(lines) == ["child,3,3.0", "parent,1,1.0", "parent,2,2.0", "tag,step,value"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_what_is_left_at_exit_is_written() -> None:
    child = os.fork()
    if child == 0:
        atexit._clear()  # what pytest registered is the parent's
        sink = RecordingSink()
        sink.open.clear()
        BackgroundWriter([sink]).submit(scalar(1, "a"), 1)
        threading.Timer(0.1, sink.open.set).start()
        atexit._run_exitfuncs()
        os._exit(0 if sink.written == [("a", 1)] and not writer_threads() else 1)
    assert exit_code(child, 60) == 0


def test_a_closed_writer_is_not_kept_until_exit() -> None:
    writer = BackgroundWriter([RecordingSink()])
    writer.submit(scalar(1), 1)
    reference = weakref.ref(writer)
    writer.close()
    del writer
    gc.collect()
    assert reference() is None


EXIT_SCRIPT = """
import sys, time
from lightning_cnnviz.output.artifacts import Scalar
from lightning_cnnviz.output.files import FileSink
from lightning_cnnviz.output.writer import BackgroundWriter

class SlowSink(FileSink):
    def write(self, artifact, step):
        time.sleep(0.05)
        super().write(artifact, step)

writer = BackgroundWriter([SlowSink(sys.argv[1])])
for step in range(5):
    writer.submit(Scalar("a", 0.5), step)
"""


@pytest.mark.slow
def test_the_interpreter_writes_what_is_left_before_it_ends(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", EXIT_SCRIPT, str(tmp_path)], check=True, timeout=120)
    assert len((tmp_path / "scalars.csv").read_text().splitlines()) == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"max_pending": 0}, "max_pending must be at least 1, got 0"), ({"max_wait_s": -1.0}, "max_wait_s must not be")],
)
def test_arguments_are_checked(arguments: dict[str, float], message: str) -> None:
    sinks: list[Sink] = []
    with pytest.raises(ValueError, match=message):
        BackgroundWriter(sinks, **arguments)  # type: ignore[arg-type]


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
