"""Where looks are written, and what is said of it: each thing once, and no logger or sink ends anything."""

from __future__ import annotations

import logging
import threading
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lightning_cnnviz.output import registry
from lightning_cnnviz.output.artifacts import Artifact, Scalar
from lightning_cnnviz.output.files import FileSink
from lightning_cnnviz.output.sink import Sink
from lightning_cnnviz.output.writer import BackgroundWriter
from lightning_cnnviz.training import outlet as outlet_module
from lightning_cnnviz.training.destinations import Destinations
from lightning_cnnviz.training.outlet import Outlet


class Kept(Sink):
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.written: list[Artifact] = []

    def write(self, artifact: Artifact, step: int) -> None:
        self.written.append(artifact)


class Held(Kept):
    """Holds up everything until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.released = threading.Event(), threading.Event()

    def write(self, artifact: Artifact, step: int) -> None:
        self.entered.set()
        assert self.released.wait(300)
        super().write(artifact, step)


class GoodLogger:
    pass


class BadLogger:
    error: BaseException = RuntimeError("no client")


def run(directory: str | Path = ".", *loggers: object, fast_dev_run: bool = False) -> Any:
    """What is asked of a Trainer."""
    return SimpleNamespace(loggers=list(loggers), default_root_dir=str(directory), fast_dev_run=fast_dev_run)


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Kept:
    kept = Kept()

    def fails(logger: BadLogger) -> Sink:
        raise logger.error

    monkeypatch.setattr(registry, "_FACTORIES", {"GoodLogger": lambda logger: kept, "BadLogger": fails})
    return kept


@pytest.mark.parametrize("error", [RuntimeError("no client"), SystemExit(1)])
def test_a_logger_that_cannot_be_opened_costs_its_pictures(
    error: BaseException, sink: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BadLogger, "error", error)
    with pytest.warns(UserWarning, match=f"nothing will be drawn to BadLogger: {type(error).__name__}"):
        assert Destinations(run(".", BadLogger(), GoodLogger()), print).sinks() == [sink]


def test_without_a_logger_that_takes_pictures_there_are_files_unless_the_directory_is_remote(tmp_path: Path) -> None:
    said: list[str] = []
    [files] = Destinations(run(tmp_path, object()), said.append).sinks()
    assert isinstance(files, FileSink)
    assert said == [f"pictures cannot be logged to object yet: they are written to {tmp_path / 'cnnviz' / 'version_0'}"]
    with pytest.warns(UserWarning, match="its directory is remote"):
        assert Destinations(run("s3://bucket/runs"), said.append).sinks() == []
    with pytest.warns(UserWarning, match="fast_dev_run and barebones switch the loggers off"):
        assert Destinations(run(tmp_path, fast_dev_run=True), said.append).sinks() == []
    assert len(said) == 1


@pytest.mark.parametrize("writes", [True, False])
def test_only_the_rank_that_writes_writes(writes: bool, sink: Kept) -> None:
    outlet = Outlet(run(".", GoodLogger()), lambda: writes)
    outlet.submit(Scalar("a", 1.0), 0)
    outlet.close()
    assert len(sink.written) == writes


def test_where_nothing_can_be_drawn_nothing_is_opened_and_it_is_said_once(
    sink: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet_module, "opencv_problem", lambda: "OpenCV is broken")
    outlet = Outlet(run(".", GoodLogger()), lambda: True)
    with pytest.warns(UserWarning, match="nothing will be drawn: OpenCV is broken") as told:
        assert [outlet.open(), outlet.open([Kept()])] == [False, False]
    assert len(told) == 1


def test_what_is_left_out_is_said_once_and_counted_at_the_end(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, logger="lightning.pytorch")
    monkeypatch.setattr(outlet_module, "BackgroundWriter", partial(BackgroundWriter, max_pending=2, max_wait_s=0.01))
    held = Held()
    outlet = Outlet(run(), lambda: True)
    sinks: list[Sink] = [held]
    outlet.submit(Scalar("a", 1.0), 0, sinks)
    assert held.entered.wait(300)
    with pytest.warns(UserWarning, match="pictures or numbers are left out, because Held did not") as told:
        _submit_and_flush_twice(outlet, sinks)
    held.released.set()
    outlet.close()
    assert len(told) == 1
    left_out = 1 + 40 - len(held.written)
    assert left_out >= 37
    assert caplog.messages == [f"{left_out} pictures or numbers were left out in all"]


def _submit_and_flush_twice(outlet: Outlet, sinks: list[Sink]) -> None:
    for step in range(1, 41):
        outlet.submit(Scalar("a", 1.0), step, sinks)
        if step % 20 == 0:
            outlet.flush()
