"""Where the pictures of all callbacks on one Trainer go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning_cnnviz.output.artifacts import Artifact
from lightning_cnnviz.output.disk import is_remote
from lightning_cnnviz.output.files import FileSink
from lightning_cnnviz.output.registry import sink_factory
from lightning_cnnviz.output.sink import Sink
from lightning_cnnviz.output.writer import BackgroundWriter


class Destinations:
    """The writers of one Trainer: one for its loggers, and one for each list of sinks that a callback was given.

    Args:
        trainer: the Trainer; its loggers and directories are used, on rank 0 only.
        say: tells the user something that matters once.
        warn: warns the user.
    """

    def __init__(self, trainer: Any, say: Callable[[str], None], warn: Callable[[str], None]) -> None:
        self._trainer, self._say, self._warn = trainer, say, warn
        self._loggers: list[Any] | None = None
        self._writers: dict[tuple[int, ...] | None, _Destination] = {}
        self._resumed: dict[str, int] = {}

    def open(self, sinks: Sequence[Sink] | None) -> bool:
        """Whether there is anywhere to write to: to the sinks, or to the loggers if None. Says so once if not."""
        return bool(self._destination(sinks).sinks)

    def submit(self, artifact: Artifact, step: int, sinks: Sequence[Sink] | None) -> None:
        """Hands an artifact to the sinks, or to the loggers if None."""
        self._destination(sinks).writer.submit(artifact, step)

    def submit_to_all(self, artifact: Artifact, step: int) -> None:
        """Hands an artifact to everything that is open."""
        for destination in self._writers.values():
            destination.writer.submit(artifact, step)

    def flush(self) -> None:
        """Asks for everything to be made visible, and does not wait for it; reports what failed."""
        for destination in self._writers.values():
            destination.writer.flush(timeout=0)
            destination.report(self._warn)

    def close(self) -> None:
        """Waits until everything is written and ends the threads; reports what failed."""
        for destination in self._writers.values():
            destination.writer.close()
            destination.report(self._warn, final=True)

    @property
    def last_steps(self) -> dict[str, int]:
        """The last step written of each tag."""
        steps = dict(self._resumed)
        for destination in self._writers.values():
            _raise_to(steps, destination.writer.last_steps)
        return steps

    def resume(self, last_steps: Mapping[str, int]) -> None:
        """Continues the series of a checkpoint."""
        _raise_to(self._resumed, last_steps)
        for destination in self._writers.values():
            _raise_to(destination.writer.last_steps, last_steps)

    def _destination(self, sinks: Sequence[Sink] | None) -> _Destination:
        if sinks is None:
            self._forget_former_loggers()
        key = None if sinks is None else tuple(map(id, sinks))
        if key not in self._writers:
            destination = self._writers[key] = _Destination(self._find_sinks() if sinks is None else sinks)
            destination.writer.last_steps.update(self._resumed)
        return self._writers[key]

    def _forget_former_loggers(self) -> None:
        """A Trainer may be given another logger between two calls of ``fit``."""
        loggers = list(self._trainer.loggers)
        if self._loggers is not None and not _are_same(loggers, self._loggers) and None in self._writers:
            former = self._writers.pop(None)
            former.writer.close()
            former.report(self._warn, final=True)
        self._loggers = loggers

    def _find_sinks(self) -> list[Sink]:
        loggers = self._trainer.loggers
        factories = [(logger, sink_factory(logger)) for logger in loggers]
        sinks: list[Sink] = []
        for logger, factory in factories:
            if factory is None:
                continue
            try:
                sinks.append(factory(logger))
            except (Exception, SystemExit) as error:  # some clients end the process for want of a login
                self._warn(f"nothing will be drawn to {type(logger).__name__}: {type(error).__name__}: {error}")
        if any(factory is not None for _, factory in factories):
            return sinks
        return self._files_instead()

    def _files_instead(self) -> list[Sink]:
        trainer = self._trainer
        if trainer.fast_dev_run or getattr(trainer, "barebones", False):
            self._warn("nothing will be drawn: fast_dev_run and barebones switch the loggers off")
            return []
        if is_remote(trainer.default_root_dir):
            self._warn("nothing will be drawn: the Trainer has no logger that takes pictures; give sinks=[...]")
            return []
        directory = _next_version(Path(trainer.default_root_dir) / "cnnviz")
        names = ", ".join(type(logger).__name__ for logger in trainer.loggers) or "no logger"
        self._say(f"pictures are written to {directory}, because the Trainer has {names}")
        return [FileSink(directory)]


class _Destination:
    """A writer, and what was said of it."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self.sinks = sinks
        self.writer = BackgroundWriter(sinks)
        self._said_slow = False
        self._counted = 0

    def report(self, warn: Callable[[str], None], *, final: bool = False) -> None:
        for error in self.writer.take_errors():
            warn(str(error))
        if self.writer.dropped and not self._said_slow and not final:
            self._said_slow = True
            warn(
                "pictures or numbers are left out, because they are drawn faster than they can be written. Draw fewer, "
                "or less often with every_n_epochs"
            )
        if final and self.writer.left_out > self._counted:
            self._counted = self.writer.left_out
            warn(f"{self._counted} pictures or numbers were left out in all")


def _raise_to(steps: dict[str, int], others: Mapping[str, int]) -> None:
    for tag, step in others.items():
        steps[tag] = max(step, steps.get(tag, step))


def _are_same(some: Iterable[object], others: Iterable[object]) -> bool:
    return list(map(id, some)) == list(map(id, others))


def _next_version(directory: Path) -> Path:
    """The first free ``version_<n>`` below a directory, as Lightning's loggers count."""
    taken = [path.name.removeprefix("version_") for path in directory.glob("version_*")]
    return directory / f"version_{max((int(number) for number in taken if number.isdigit()), default=-1) + 1}"
