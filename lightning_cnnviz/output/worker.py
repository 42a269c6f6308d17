"""One sink, its queue and its thread."""

from __future__ import annotations

import os
import time
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TypeAlias

from lightning_cnnviz.output.artifacts import Artifact, DrawingError
from lightning_cnnviz.output.sink import Sink, kinds_taken

_FAILURES_BEFORE_REST = 3

Order: TypeAlias = tuple[Artifact, int] | Event | None
"""Write this; flush and say so; or flush and end."""


MOST_PATIENCE = 6
"""How many times the patience with a sink that hangs one that is only slow is waited for."""


class WriterError(RuntimeError):
    """A sink could not write something, a picture not be drawn, or no writer thread be started.

    ``__cause__`` says why.
    """


class GuardedSink:
    """A sink that never raises.

    What it cannot write is left out. After three failures in a row it rests until the next flush, since what is wrong
    then is hardly the artifact: a disk that is full, a server that does not answer.

    Args:
        sink: what may raise.

    Attributes:
        errors: those not reported yet, one for each kind of error.
        left_out: how many artifacts were not written for them.
    """

    def __init__(self, sink: Sink) -> None:
        self.errors: list[WriterError] = []
        self.left_out = 0
        self.name = type(sink).__name__
        self._sink = sink
        self._takes = kinds_taken(sink)
        self._failures = 0
        self._reported: set[tuple[type, object]] = set()

    def takes(self, artifact: Artifact) -> bool:
        """Whether the sink wants this kind of artifact."""
        return isinstance(artifact, self._takes)

    def write(self, artifact: Artifact, step: int) -> None:
        """Writes the artifact, or leaves it out."""
        if self._failures == _FAILURES_BEFORE_REST:
            self.left_out += 1
            return
        try:
            self._sink.write(artifact, step)
            self._failures = 0
        except DrawingError as error:  # no fault of the sink's
            self.left_out += 1
            self._keep(str(error), error.__cause__)
        except BaseException as error:  # even SystemExit: it is the sink's, and would end the thread without a word
            self._failures += 1
            self.left_out += 1
            self.report(error, f"{self.name} left out {artifact.tag!r} at step {step}")

    def flush(self) -> None:
        """Flushes the sink, which is then tried again if it failed."""
        self._failures = 0
        flush = getattr(self._sink, "flush", None)
        try:
            if flush is not None:
                flush()
        except BaseException as error:
            self.report(error, f"{self.name} failed at flushing, and what it had not written yet may be left out")

    def finish(self) -> None:
        """Flushes the sink and lets it come to an end."""
        self.flush()
        finish = getattr(self._sink, "finish", None)
        try:
            if finish is not None:
                finish()
        except BaseException as error:
            self.report(error, f"{self.name} failed at the end, and what it had not written yet may be left out")

    def report(self, cause: BaseException, what: str) -> None:
        """Keeps an error, unless one of its kind was reported before."""
        kind = (type(cause), getattr(cause, "errno", None))
        if kind not in self._reported:
            self._reported.add(kind)
            self._keep(f"{what}: {_described(cause)}", cause)

    def _keep(self, text: str, cause: BaseException | None) -> None:
        error = WriterError(text)
        error.__cause__ = cause
        self.errors.append(error)


class SinkWorker:
    """Writes to one sink on a thread of its own, which starts with the first artifact and ends with `stop`.

    A forked child has a thread of its own; what the parent had not written yet stays the parent's. A copy starts
    without a thread.

    Args:
        sink: where to write.
        max_pending: how many artifacts may wait.
        max_wait_s: seconds that `put` may block in all until the queue has been empty again.
    """

    def __init__(self, sink: Sink, max_pending: int, max_wait_s: float) -> None:
        self.sink = GuardedSink(sink)
        self._max_pending = max_pending
        self._max_wait_s = self._patience_s = max_wait_s
        self._thread: _Thread | None = None

    def put(self, artifact: Artifact, step: int) -> bool:
        """Queues an artifact; returns whether there was room for it in time."""
        try:
            queue = self._running_thread().queue
        except RuntimeError as error:  # the system gives no more threads, or the interpreter is shutting down
            self.sink.report(error, "no writer thread could be started")
            return False
        if queue.empty():
            self._patience_s = self._max_wait_s
        started = time.monotonic()
        try:
            queue.put((artifact, step), timeout=self._patience_s)
        except Full:
            return False
        finally:
            self._patience_s = left(started + self._patience_s)
        return True

    def request_flush(self, deadline: float) -> Event | None:
        """Queues a flush; returns what is set when it is done, None if there is no room for the order."""
        thread = self._own_thread()
        done = Event()
        if thread is None:
            done.set()
            return done
        return done if thread.order(done, deadline) else None

    def request_end(self) -> None:
        """Queues a flush and the end of the thread, if there is room for the order."""
        thread = self._own_thread()
        if thread is not None:
            thread.order_end(deadline=0.0)

    def stop(self, asked: float, patience_s: float) -> tuple[bool, int]:
        """Waits for the end as long as the sink goes on; see `BackgroundWriter.close`.

        Args:
            asked: when it was asked to end.
            patience_s: seconds without a step forward after which it is given up.

        Returns:
            Whether the end came, and how many artifacts were still waiting.
        """
        thread, self._thread = self._own_thread(), None
        return (True, 0) if thread is None else thread.join_patiently(asked, patience_s)

    def _running_thread(self) -> _Thread:
        thread = self._own_thread()
        if thread is None or not thread.is_alive():
            thread = _Thread(self.sink, self._max_pending)
            thread.start()
            self._thread = thread
        return thread

    def _own_thread(self) -> _Thread | None:
        """The thread of this process: after a fork the parent's is gone and its locks may be held for ever."""
        return self._thread if self._thread is not None and self._thread.pid == os.getpid() else None

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_thread": None}


class _Thread(Thread):
    def __init__(self, sink: GuardedSink, max_pending: int) -> None:
        super().__init__(name="lightning_cnnviz-writer", daemon=True)
        self.pid = os.getpid()
        self.queue: Queue[Order] = Queue(max_pending)
        self._sink = sink
        self._ending = False
        self._went_on = 0.0

    def run(self) -> None:
        while (order := self.queue.get()) is not None:
            if isinstance(order, Event):
                self._sink.flush()
                order.set()
            else:
                self._sink.write(*order)
            self._went_on = time.monotonic()
        self._sink.finish()

    def order(self, order: Order, deadline: float) -> bool:
        try:
            self.queue.put(order, timeout=left(deadline))
        except Full:
            return False
        return True

    def order_end(self, deadline: float) -> None:
        self._ending = self._ending or self.order(None, deadline)

    def join_patiently(self, asked: float, patience_s: float) -> tuple[bool, int]:
        latest = asked + MOST_PATIENCE * patience_s
        while self.is_alive():
            deadline = min(max(asked, self._went_on) + patience_s, latest)
            if not left(deadline):
                break
            self.order_end(deadline)
            self.join(left(deadline))
        lost = self._discard()
        self.queue.put(None)  # for a thread that is still held up in its sink
        return not self.is_alive(), lost

    def _discard(self) -> int:
        lost = 0
        try:
            while True:
                lost += isinstance(self.queue.get_nowait(), tuple)
        except Empty:
            return lost


def _described(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__


def left(deadline: float) -> float:
    """Seconds until a time of the monotonic clock, 0 once it has passed."""
    return max(0.0, deadline - time.monotonic())
