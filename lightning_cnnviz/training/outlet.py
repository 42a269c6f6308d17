"""Where the looks of one Trainer are written, and what its user is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lightning.pytorch.utilities import rank_zero_info

from lightning_cnnviz.output.artifacts import Artifact, Note, Picture
from lightning_cnnviz.output.sinks import Sink, TensorBoardSink, tensorboard_experiments
from lightning_cnnviz.output.writer import BackgroundWriter
from lightning_cnnviz.training.failures import warn


class Outlet:
    """Writes artifacts on a thread, and tells the user what there is to be told, each thing once.

    Args:
        trainer: whose loggers are written to.
        writes: whether this rank writes; asked when there is something to write.
    """

    def __init__(self, trainer: Any, writes: Callable[[], bool]) -> None:
        self._trainer = trainer
        self._writes = writes
        self._said: set[str] = set()
        self._writer: BackgroundWriter | None = None
        self._has_sinks = False
        self._reported_dropped = False

    def open(self) -> bool:
        """Opens the sinks at the first call, and says so if there are none.

        Returns:
            Whether there is anywhere to write to.
        """
        if self._writer is None:
            sinks = self._find_sinks()
            self._has_sinks = bool(sinks)
            self._writer = BackgroundWriter(sinks)
        return self._has_sinks

    def say(self, text: str, *, about: str | None = None) -> None:
        """Tells the user something once; again only if it is about something else."""
        subject = text if about is None else about
        if subject not in self._said:
            self._said.add(subject)
            rank_zero_info(text)

    def submit(self, artifact: Artifact, step: int) -> None:
        """Hands an artifact to the thread, and tells its remarks."""
        if isinstance(artifact, (Picture, Note)):
            for remark in artifact.remarks:
                self.say(remark, about=remark.partition(":")[0])
        if self._writes() and self.open() and self._writer is not None:
            self._writer.submit(artifact, step)

    def flush(self) -> None:
        """Makes what is written visible soon, and tells what went wrong."""
        if self._writer is not None:
            self._writer.flush(timeout=0)
            self._report(self._writer)

    def close(self) -> None:
        """Waits until everything is written; what is submitted later opens it again, with the loggers of then."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
            self._report(writer)

    def _find_sinks(self) -> list[Sink]:
        try:
            experiments = tensorboard_experiments(self._trainer.loggers)
        except OSError as error:
            warn(f"nothing will be drawn: the TensorBoard logger cannot write: {error}")
            return []
        if not experiments:
            warn("nothing will be drawn: the Trainer has no TensorBoardLogger")
        return [TensorBoardSink(experiment) for experiment in experiments]

    def _report(self, writer: BackgroundWriter) -> None:
        for error in writer.take_errors():
            warn(str(error))
        if writer.dropped and not self._reported_dropped:
            self._reported_dropped = True
            warn(
                f"{writer.dropped} pictures or numbers were left out, because the disk is slower than they are drawn; "
                "there may be more. Draw fewer, or less often with every_n_epochs"
            )
