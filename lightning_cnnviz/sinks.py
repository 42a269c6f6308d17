"""Where artifacts go: TensorBoard or files, written by a thread of their own so that training does not wait."""

from __future__ import annotations

import atexit
import csv
import os
import re
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import cv2
import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary

from lightning_cnnviz.artifacts import RGB, Array, Artifact, Note, Picture, Scalar

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["BackgroundWriter", "FileSink", "Sink", "TensorBoardSink", "WriterError", "tensorboard_experiments"]

_EXIT_TIMEOUT_S = 5.0
_NOT_IN_FILE_NAMES = re.compile(r'[<>:"\\|?*\x00-\x1f]')


class Sink(Protocol):
    """Takes artifacts. A `BackgroundWriter` calls both methods on its own thread only."""

    def write(self, artifact: Artifact, step: int) -> None:
        """Encodes the artifact and hands it over; a kind that the sink has no place for is left out."""

    def flush(self) -> None:
        """Makes everything written so far visible to readers."""


class WriterError(RuntimeError):
    """A sink failed and was switched off, or no writer thread could be started; ``__cause__`` says why."""


def tensorboard_experiments(loggers: Iterable[Any]) -> list[SummaryWriter]:
    """Returns the writer of every TensorBoard logger among ``loggers``, in their order.

    Call it on rank 0 only: elsewhere Lightning hands out a dummy.
    """
    # By class name, because `lightning` and `pytorch_lightning` each have a TensorBoardLogger that the other does not
    # know, and because the DummyLogger of `fast_dev_run` answers every `hasattr` with True.
    return [logger.experiment for logger in loggers if _is_tensorboard_logger(logger)]


def _is_tensorboard_logger(logger: object) -> bool:
    return any(base.__name__ == "TensorBoardLogger" for base in type(logger).__mro__)


def _encode_png(image: RGB) -> bytes:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"image must be uint8 of shape (H, W, 3), got {image.dtype} of shape {image.shape}")
    # OpenCV's default level is 6 to 12 times faster than Pillow's encoder, which SummaryWriter.add_image uses.
    _, encoded = cv2.imencode(".png", cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2BGR))
    return encoded.tobytes()


class TensorBoardSink:
    """Writes to an open TensorBoard writer: pictures to Images, scalars to Scalars, notes to Text.

    Raw arrays are left out. A copy (``pickle``, ``copy.deepcopy``) has no writer, since an open event file cannot be
    copied: writing to it raises RuntimeError.

    Args:
        experiment: the Trainer's own writer, from `tensorboard_experiments`; it stays the logger's to close.
    """

    def __init__(self, experiment: SummaryWriter) -> None:
        self._experiment: SummaryWriter | None = experiment

    def write(self, artifact: Artifact, step: int) -> None:
        """Hands the artifact to TensorBoard's own queue, pictures as finished PNG."""
        if self._experiment is None:
            raise RuntimeError("a copied TensorBoardSink has no writer: make a new one from the logger's experiment")
        match artifact:
            case Picture():
                summary = _image_summary(artifact)
                self._experiment._get_file_writer().add_summary(summary, global_step=step)  # type: ignore[no-untyped-call]
            case Scalar():
                self._experiment.add_scalar(artifact.tag, artifact.value, step)
            case Note():
                self._experiment.add_text(artifact.tag, artifact.text, step)

    def flush(self) -> None:
        """Waits until TensorBoard's queue is on the disk; an error of an earlier write is raised here at the latest."""
        if self._experiment is not None:
            self._experiment.flush()

    def __getstate__(self) -> dict[str, None]:
        return {"_experiment": None}


def _image_summary(picture: Picture) -> Summary:
    height, width, channels = picture.image.shape
    image = Summary.Image(
        height=height, width=width, colorspace=channels, encoded_image_string=_encode_png(picture.image)
    )
    return Summary(value=[Summary.Value(tag=picture.tag, image=image)])


class FileSink:
    """Writes files into a directory, for those who want pictures without TensorBoard.

    A picture goes to ``<tag>_<step>.png`` and a note to ``<tag>_<step>.md``, the parts of the tag as folders and the
    step with six digits: ``grad_cam/layer4_000120.png``. Scalars go to ``scalars.csv`` with the columns tag, step,
    value. Raw arrays are left out. Existing files of the same name are replaced, ``scalars.csv`` is continued.

    Args:
        directory: made when the first artifact is written.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(directory)

    def write(self, artifact: Artifact, step: int) -> None:
        """Writes the artifact at once; a reader never sees half a picture."""
        match artifact:
            case Picture():
                _write_whole(self._path(artifact.tag, step, "png"), _encode_png(artifact.image))
            case Note():
                _write_whole(self._path(artifact.tag, step, "md"), artifact.text.encode())
            case Scalar():
                self._append_scalar(artifact, step)

    def flush(self) -> None:
        """Does nothing: every write closes its file."""

    def _path(self, tag: str, step: int, extension: str) -> Path:
        # A part such as ".." or the empty one before a leading slash would lead out of the directory.
        folders = [part if part.strip(".") else "_" for part in _NOT_IN_FILE_NAMES.sub("_", tag).split("/")]
        return self.directory.joinpath(*folders[:-1], f"{folders[-1]}_{step:06d}.{extension}")

    def _append_scalar(self, scalar: Scalar, step: int) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "scalars.csv").open("a", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            if file.tell() == 0:
                rows.writerow(["tag", "step", "value"])
            rows.writerow([scalar.tag, step, scalar.value])


def _write_whole(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


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

    def write(self, artifact: Artifact, step: int) -> None:
        self._each(lambda sink: sink.write(artifact, step), f"writing {artifact.tag!r} at step {step}")

    def flush(self) -> None:
        self._each(lambda sink: sink.flush(), "flushing")

    def take_errors(self) -> list[WriterError]:
        # One by one, because the other thread may add to the list meanwhile.
        return [self._errors.pop(0) for _ in range(len(self._errors))]

    def add_error(self, cause: BaseException, what: str) -> None:
        error = WriterError(f"{what}: {type(cause).__name__}: {cause}")
        error.__cause__ = cause
        self._errors.append(error)

    def _each(self, action: Callable[[Sink], None], doing: str) -> None:
        for sink in list(self.active):
            self._try(sink, action, doing)

    def _try(self, sink: Sink, action: Callable[[Sink], None], doing: str) -> None:
        try:
            action(sink)
        except BaseException as error:  # even SystemExit: it is the sink's, and would end the thread without a word
            self.active = [other for other in self.active if other is not sink]
            self.add_error(error, f"{type(sink).__name__} failed at {doing} and was switched off")


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
