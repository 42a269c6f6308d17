"""Where the looks of one Trainer are written, and what its user is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from lightning.pytorch.utilities import rank_zero_info

from lightning_cnnviz.output.artifacts import Artifact, Note, Picture
from lightning_cnnviz.output.environment import opencv_problem
from lightning_cnnviz.output.sink import Sink
from lightning_cnnviz.output.writer import BackgroundWriter
from lightning_cnnviz.training.destinations import Destinations
from lightning_cnnviz.training.failures import warn

Sinks: TypeAlias = Sequence[Sink] | None
"""Where a callback writes; None: to the Trainer's loggers."""


class Outlet:
    """Writes artifacts on threads, and tells the user what there is to be told, each thing once.

    Args:
        trainer: whose loggers are written to.
        writes: whether this rank writes; asked when there is something to write.
    """

    def __init__(self, trainer: Any, writes: Callable[[], bool]) -> None:
        self._writes = writes
        self._destinations = Destinations(trainer, self.say)
        self._said: set[str] = set()
        self._writers: dict[tuple[int, ...] | None, BackgroundWriter] = {}
        self._is_trial = trainer.fast_dev_run or getattr(trainer, "barebones", False)
        self._said_slow = self._said_problem = False

    def open(self, sinks: Sinks = None) -> bool:
        """Opens the sinks, or those of the loggers, at the first call, and says so if there are none.

        Returns:
            Whether there is anywhere to write to.
        """
        return bool(self._writer(sinks).sinks)

    def say(self, text: str, *, about: str | None = None) -> None:
        """Tells the user something once; again only if it is about something else.

        Nothing where loggers are switched off to try whether the code runs: nobody looks at what is drawn there.
        """
        subject = text if about is None else about
        if self._is_trial and not any(writer.sinks for writer in self._writers.values()):
            return
        if subject not in self._said:
            self._said.add(subject)
            rank_zero_info(text)

    def submit(self, artifact: Artifact, step: int, sinks: Sinks = None) -> None:
        """Hands an artifact to the threads, and tells its remarks."""
        if isinstance(artifact, (Picture, Note)):
            for remark in artifact.remarks:
                self.say(remark, about=remark.partition(":")[0])
        if self._writes():
            self._writer(sinks).submit(artifact, step)

    def submit_to_all(self, artifact: Artifact, step: int) -> None:
        """Hands what concerns all callbacks to everything that is open."""
        for writer in self._writers.values():
            writer.submit(artifact, step)

    def flush(self) -> None:
        """Makes what is written visible soon, and tells what went wrong."""
        for writer in self._writers.values():
            writer.flush(timeout=0)
            self._report(writer)

    def close(self) -> None:
        """Waits until everything is written; what is submitted later opens it again, with the loggers of then."""
        writers, self._writers = self._writers, {}
        for writer in writers.values():
            writer.close()
            self._report(writer)
            if writer.left_out:
                rank_zero_info(f"{writer.left_out} pictures or numbers were left out in all")

    def _writer(self, sinks: Sinks) -> BackgroundWriter:
        key = None if sinks is None else tuple(map(id, sinks))
        if key not in self._writers:
            found = self._destinations.sinks() if sinks is None else sinks
            self._writers[key] = BackgroundWriter(found if found and self._can_draw() else ())
        return self._writers[key]

    def _can_draw(self) -> bool:
        """Whether pictures can be drawn on this machine; said here, once, instead of by every picture."""
        problem = opencv_problem()
        if problem is not None and not self._said_problem:
            self._said_problem = True
            warn(f"nothing will be drawn: {problem}")
        return problem is None

    def _report(self, writer: BackgroundWriter) -> None:
        for error in writer.take_errors():
            warn(str(error))
        if writer.slow and not self._said_slow:
            self._said_slow = True
            names = ", ".join(sorted(writer.slow))
            warn(
                f"pictures or numbers are left out, because {names} did not take them in time. "
                "Unless it hangs, draw fewer, or less often with every_n_epochs"
            )
