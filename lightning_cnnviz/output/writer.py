"""A thread that writes artifacts to sinks, so that training does not wait for the disk."""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Callable, Iterable, Sequence
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TypeAlias

from lightning_cnnviz.output.artifacts import Array, Artifact, DrawingError, Note
from lightning_cnnviz.output.sinks import Sink

__all__ = ["BackgroundWriter", "WriterError"]

_EXIT_TIMEOUT_S = 5.0


class WriterError(RuntimeError):
    """A sink failed and was switched off, a picture could not be drawn, or no writer thread could be started.

    ``__cause__`` says why.
    """


class BackgroundWriter:
    """Writes artifacts to sinks on one thread, in the order of submission; training never fails or hangs because of it.

    A sink that raises is switched off and its error kept for `take_errors`; the other sinks go on. The thread starts
    with the first `submit` and ends with `close`, after which another `submit` starts a new one. A forked child has a
    thread of its own; what the parent had not written yet stays the parent's. Copies start without a thread.
    Everything still queued when the interpreter exits is written, for at most five seconds. Submit from one thread.

    Args:
        sinks: where everything is written.
        max_pending: how many artifacts may wait; `submit` blocks only when there are more.
        max_wait_s: seconds that `submit` may block in all until the queue has been empty again; after that, what does
            not fit is dropped.

    Attributes:
        last_steps: the last step of each tag (notes and arrays under a suffix of their own); put it into a checkpoint
            and set it again so that a resumed run continues its series.
        dropped: how many artifacts were lost because the sinks were too slow.

    Raises:
        ValueError: if ``max_pending`` is below 1 or ``max_wait_s`` negative.
    """

    def __init__(self, sinks: Sequence[Sink], *, max_pending: int = 64, max_wait_s: float = 5.0) -> None:
        if max_pending < 1:
            raise ValueError(f"max_pending must be at least 1, got {max_pending}")
        if max_wait_s < 0:
            raise ValueError(f"max_wait_s must not be negative, got {max_wait_s}")
        self.last_steps: dict[str, int] = {}
        self.dropped = 0
        self._max_pending = max_pending
        self._max_wait_s = max_wait_s
        self._patience_s = max_wait_s
        self._sinks = _GuardedSinks(sinks)
        self._worker: _Worker | None = None

    def submit(self, artifact: Artifact, step: int) -> None:
        """Queues an artifact, which must not be changed any more; never raises an error of a sink.

        A step that is not above the last one of its tag is ignored: TensorBoard answers a smaller step by erasing the
        later ones.
        """
        series = _series(artifact)
        if not self._sinks.active or step <= self.last_steps.get(series, step - 1):
            return
        if self._enqueue(artifact, step):
            self.last_steps[series] = step
        else:
            self.dropped += 1

    def flush(self, timeout: float = 10.0) -> bool:
        """Waits until everything submitted is written and the sinks are flushed.

        Args:
            timeout: the longest wait in seconds; 0 asks for the flush and does not wait for it.

        Returns:
            Whether it was done in time.
        """
        worker = self._own_worker()
        return worker is None or worker.flush(timeout)

    def close(self, timeout: float = 10.0) -> bool:
        """Flushes and ends the thread; calling it again does nothing.

        Args:
            timeout: the longest wait in seconds; what is not written by then is dropped.

        Returns:
            Whether it was done in time.
        """
        worker, self._worker = self._own_worker(), None
        atexit.unregister(self._close_at_exit)
        if worker is None:
            return True
        finished, lost = worker.stop(timeout)
        self.dropped += lost
        return finished

    def take_errors(self) -> list[WriterError]:
        """Returns the errors since the last call, oldest first, and forgets them."""
        return self._sinks.take_errors()

    def _enqueue(self, artifact: Artifact, step: int) -> bool:
        try:
            queue = self._running_worker().queue
        except RuntimeError as error:  # the system gives no more threads, or the interpreter is shutting down
            self._sinks.add_error(error, "no writer thread could be started")
            return False
        if queue.empty():
            self._patience_s = self._max_wait_s
        started = time.monotonic()
        try:
            queue.put((artifact, step), timeout=self._patience_s)
        except Full:
            return False
        finally:
            self._patience_s = _left(started + self._patience_s)
        return True

    def _running_worker(self) -> _Worker:
        worker = self._own_worker()
        if worker is None or not worker.thread.is_alive():
            worker = self._worker = _Worker(self._sinks, self._max_pending)
            atexit.unregister(self._close_at_exit)
            atexit.register(self._close_at_exit)
        return worker

    def _own_worker(self) -> _Worker | None:
        """The worker of this process: after a fork the parent's thread is gone and its locks may be held for ever."""
        return self._worker if self._worker is not None and self._worker.pid == os.getpid() else None

    def _close_at_exit(self) -> None:
        self.close(_EXIT_TIMEOUT_S)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_worker": None}


def _series(artifact: Artifact) -> str:
    """The tag whose steps increase: a note or an array may share the tag and the step of a picture."""
    match artifact:
        case Note():
            return f"{artifact.tag}/text_summary"
        case Array():
            return f"{artifact.tag}/array"
    return artifact.tag


class _GuardedSinks:
    """Sinks that never raise: one that does is switched off and its error kept."""

    def __init__(self, sinks: Iterable[Sink]) -> None:
        self.active = list(sinks)
        self._errors: list[WriterError] = []
        self._said: set[str] = set()

    def write(self, artifact: Artifact, step: int) -> None:
        self._each(lambda sink: sink.write(artifact, step), f"writing {artifact.tag!r} at step {step}")

    def flush(self) -> None:
        self._each(lambda sink: sink.flush(), "flushing")

    def take_errors(self) -> list[WriterError]:
        # One by one, because the other thread may add to the list meanwhile.
        return [self._errors.pop(0) for _ in range(len(self._errors))]

    def add_error(self, cause: BaseException, what: str) -> None:
        self._errors.append(_writer_error(f"{what}: {type(cause).__name__}: {cause}", cause))

    def _each(self, action: Callable[[Sink], None], doing: str) -> None:
        for sink in list(self.active):
            self._try(sink, action, doing)

    def _try(self, sink: Sink, action: Callable[[Sink], None], doing: str) -> None:
        try:
            action(sink)
        except DrawingError as error:
            if str(error) not in self._said:
                self._said.add(str(error))
                self._errors.append(_writer_error(str(error), error.__cause__))
        except BaseException as error:  # even SystemExit: it is the sink's, and would end the thread without a word
            self.active = [other for other in self.active if other is not sink]
            self.add_error(error, f"{type(sink).__name__} failed at {doing} and was switched off")


def _writer_error(text: str, cause: BaseException | None) -> WriterError:
    error = WriterError(text)
    error.__cause__ = cause
    return error


_Order: TypeAlias = tuple[Artifact, int] | Event | None
"""Write this; flush and say so; or flush and end."""


class _Worker:
    """One thread and its queue, both of one process and gone after `stop`."""

    def __init__(self, sinks: _GuardedSinks, max_pending: int) -> None:
        self.pid = os.getpid()
        self.queue: Queue[_Order] = Queue(max_pending)
        self.thread = Thread(target=self._run, args=(sinks,), name="lightning_cnnviz-writer", daemon=True)
        self.thread.start()

    def flush(self, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        flushed = Event()
        return self._order(flushed, deadline) and flushed.wait(_left(deadline))

    def stop(self, timeout: float) -> tuple[bool, int]:
        """Returns whether the thread ended in time, and how many artifacts it left."""
        deadline = time.monotonic() + timeout
        self._order(None, deadline)
        self.thread.join(_left(deadline))
        lost = self._discard()
        self.queue.put(None)  # for a thread that is still held up in a sink
        return not self.thread.is_alive(), lost

    def _order(self, order: _Order, deadline: float) -> bool:
        try:
            self.queue.put(order, timeout=_left(deadline))
        except Full:
            return False
        return True

    def _discard(self) -> int:
        lost = 0
        try:
            while True:
                lost += isinstance(self.queue.get_nowait(), tuple)
        except Empty:
            return lost

    def _run(self, sinks: _GuardedSinks) -> None:
        while (order := self.queue.get()) is not None:
            if isinstance(order, Event):
                sinks.flush()
                order.set()
            else:
                sinks.write(*order)
        sinks.flush()


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
