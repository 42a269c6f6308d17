"""Artifacts on their way to sinks, so that training does not wait for the disk."""

from __future__ import annotations

import atexit
import time
from collections.abc import Sequence

from lightning_cnnviz.output.artifacts import Array, Artifact, Note
from lightning_cnnviz.output.sink import Sink, encodable
from lightning_cnnviz.output.worker import SinkWorker, WriterError, left

__all__ = ["BackgroundWriter", "WriterError"]

_EXIT_TIMEOUT_S = 5.0


class BackgroundWriter:
    """Writes artifacts to sinks, to each on a thread of its own and in the order of submission.

    Training never fails or hangs because of it. What a sink cannot write is left out and its error kept for
    `take_errors`; its other artifacts and the other sinks go on. The threads start with the first `submit` and end with
    `close`, after which another `submit` starts new ones. Everything still queued when the interpreter exits is
    written, as by `close`. Submit from one thread.

    Args:
        sinks: where everything is written that they take.
        max_pending: how many artifacts may wait for each sink; `submit` blocks only when there are more.
        max_wait_s: seconds that `submit` may block in all for one sink until its queue has been empty again; after
            that, what does not fit is dropped.

    Attributes:
        sinks: as given.
        last_steps: the last step of each tag, notes and arrays under a suffix of their own.
        dropped: how many artifacts were lost because the sinks were too slow.
        slow: the names of those sinks, and of those that were not done when they were closed.

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
        self.slow: set[str] = set()
        self.sinks = tuple(sinks)
        self._workers = [SinkWorker(sink, max_pending, max_wait_s) for sink in sinks]
        self._open = False
        self._told: set[str] = set()

    def submit(self, artifact: Artifact, step: int) -> None:
        """Queues an artifact, which must not be changed any more; never raises an error of a sink.

        A step that is not above the last one of its tag is ignored: TensorBoard answers a smaller step by erasing the
        later ones.
        """
        series = _series(artifact)
        takers = [worker for worker in self._workers if worker.sink.takes(artifact)]
        if not takers or step <= self.last_steps.get(series, step - 1):
            return
        self._write_at_exit()
        artifact = encodable(artifact)
        accepted = [worker.put(artifact, step) for worker in takers]
        self.dropped += accepted.count(False)
        self.slow.update(worker.sink.name for worker, taken in zip(takers, accepted, strict=True) if not taken)
        if any(accepted):
            self.last_steps[series] = step

    @property
    def left_out(self) -> int:
        """How many artifacts were not written, for whatever reason, counted once for each sink."""
        return self.dropped + sum(worker.sink.left_out for worker in self._workers)

    def flush(self, timeout: float = 10.0) -> bool:
        """Waits until everything submitted is written and the sinks are flushed.

        Args:
            timeout: the longest wait in seconds; 0 asks for the flush and does not wait for it.

        Returns:
            Whether it was done in time.
        """
        deadline = time.monotonic() + timeout
        # All are asked before any is waited for: one that is held up must not take the others' time.
        flushes = [worker.request_flush(0.0) for worker in self._workers]
        flushes = [done or worker.request_flush(deadline) for worker, done in zip(self._workers, flushes, strict=True)]
        return all(done is not None and done.wait(left(deadline)) for done in flushes)

    def close(self, timeout: float = 10.0) -> bool:
        """Flushes and ends the threads; calling it again does nothing.

        Args:
            timeout: the longest wait in seconds for a sink that gets nothing done. One that is slow, as on a machine
                with much else to do, is waited for six times as long in all. What is not written by then is dropped.

        Returns:
            Whether it was done in time.
        """
        asked = time.monotonic()
        atexit.unregister(self._close_at_exit)
        self._open = False
        for worker in self._workers:
            worker.request_end()
        ended = [worker.stop(asked, timeout) for worker in self._workers]
        self.dropped += sum(lost for _, lost in ended)
        self.slow.update(worker.sink.name for worker, (done, _) in zip(self._workers, ended, strict=True) if not done)
        return all(in_time for in_time, _ in ended)

    def take_errors(self) -> list[WriterError]:
        """Returns the errors since the last call, oldest first for each sink, and forgets them; no two say the same."""
        # One by one, because the other threads may add to the lists meanwhile.
        errors = [worker.sink.errors.pop(0) for worker in self._workers for _ in range(len(worker.sink.errors))]
        new = {str(error): error for error in reversed(errors) if str(error) not in self._told}
        self._told.update(new)
        return list(reversed(new.values()))

    def _write_at_exit(self) -> None:
        if not self._open:
            self._open = True
            atexit.register(self._close_at_exit)

    def _close_at_exit(self) -> None:
        self.close(_EXIT_TIMEOUT_S)

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_open": False}


def _series(artifact: Artifact) -> str:
    """The tag whose steps increase: a note or an array may share the tag and the step of a picture."""
    match artifact:
        case Note():
            return f"{artifact.tag}/text_summary"
        case Array():
            return f"{artifact.tag}/array"
    return artifact.tag
