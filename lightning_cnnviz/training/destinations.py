"""Where the pictures of one Trainer go if its user does not say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning_cnnviz.output.disk import is_remote
from lightning_cnnviz.output.files import FileSink
from lightning_cnnviz.output.registry import sink_factory
from lightning_cnnviz.output.sink import ClientSink, Sink
from lightning_cnnviz.training.failures import described, warn


class Destinations:
    """The sinks of a Trainer's loggers; files where it has none that takes pictures.

    Args:
        trainer: whose loggers and directory are used.
        say: tells the user something once.
    """

    def __init__(self, trainer: Any, say: Callable[[str], None]) -> None:
        self._trainer = trainer
        self._say = say
        self._files: FileSink | None = None

    def sinks(self) -> list[Sink]:
        """Made of the loggers that the Trainer has now; call it on rank 0 only, elsewhere Lightning hands out dummies.

        Says so if there is nowhere to write to.
        """
        sinks: list[Sink] = []
        factories = [(logger, sink_factory(logger)) for logger in self._trainer.loggers]
        for logger, factory in factories:
            if factory is not None:
                try:
                    sink = factory(logger)
                    if not any(_is_same_run(sink, other) for other in sinks):
                        sinks.append(sink)
                except (Exception, SystemExit) as error:  # some clients end the process for want of a login
                    warn(f"nothing will be drawn to {type(logger).__name__}: {described(error)}")
        return sinks if any(factory is not None for _, factory in factories) else self._files_instead()

    def _files_instead(self) -> list[Sink]:
        trainer = self._trainer
        if trainer.fast_dev_run or getattr(trainer, "barebones", False):
            warn("nothing will be drawn: fast_dev_run and barebones switch the loggers off")
        elif is_remote(trainer.default_root_dir):
            warn("nothing will be drawn: no logger of the Trainer takes pictures, and its directory is remote")
        elif self._files is None:
            self._files = FileSink(_next_version(Path(trainer.default_root_dir) / "cnnviz"))
            loggers = ", ".join(type(logger).__name__ for logger in trainer.loggers)
            reason = f"pictures cannot be logged to {loggers} yet" if loggers else "the Trainer has no logger"
            self._say(f"{reason}: they are written to {self._files.directory}")
        return [] if self._files is None else [self._files]


def _is_same_run(sink: Sink, other: Sink) -> bool:
    """Whether two loggers write to one run: W&B and SwanLab have one for the whole process."""
    return isinstance(sink, ClientSink) and isinstance(other, ClientSink) and sink.client is other.client


def _next_version(directory: Path) -> Path:
    """The first free ``version_<n>`` below a directory, counted as Lightning's loggers do."""
    numbers = [path.name.removeprefix("version_") for path in directory.glob("version_*")]
    return directory / f"version_{max((int(number) for number in numbers if number.isdecimal()), default=-1) + 1}"
