"""The writer's threads: when they start and end, across copies, forks and the end of the process."""

from __future__ import annotations

import atexit
import copy
import gc
import os
import pickle
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from threading import Event

import pytest
from torch.utils.tensorboard import SummaryWriter

from lightning_cnnviz.output.files import FileSink
from lightning_cnnviz.output.tensorboard import TensorBoardSink
from lightning_cnnviz.output.writer import BackgroundWriter
from tests.helpers.sinks import RecordingSink, scalar, writer_threads


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
    assert held_sink.entered.wait(300)
    writer.submit(scalar(2, "parent"), 2)

    child = os.fork()
    if child == 0:
        held_sink.open = Event()
        held_sink.open.set()
        unharmed = writer.flush(300) and not writer_threads()
        writer.submit(scalar(3, "child"), 3)
        os._exit(0 if unharmed and writer.close(300) and held_sink.written == [("child", 3)] else 1)
    assert exit_code(child, 300) == 0

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
    assert exit_code(child, 300) == 0


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
    subprocess.run([sys.executable, "-c", EXIT_SCRIPT, str(tmp_path)], check=True, timeout=300)
    assert len((tmp_path / "scalars.csv").read_text().splitlines()) == 6
