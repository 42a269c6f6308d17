"""Sinks that note what they are given, can be held up, and fail when they are told to."""

from __future__ import annotations

import threading
from threading import Event

from lightning_cnnviz.output.artifacts import Artifact, Scalar
from lightning_cnnviz.output.sink import Sink


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
        assert self.open.wait(300)
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


def writer_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "lightning_cnnviz-writer"]


def scalar(step: int, tag: str = "drift/cka") -> Scalar:
    return Scalar(tag, float(step))
