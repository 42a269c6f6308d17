"""Names of before, for the callback until it takes sinks itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lightning_cnnviz.output.sink import Sink
from lightning_cnnviz.output.tensorboard import TensorBoardSink

__all__ = ["Sink", "TensorBoardSink", "tensorboard_experiments"]


def tensorboard_experiments(loggers: Iterable[Any]) -> list[Any]:
    """Returns the writer of every TensorBoard logger among ``loggers``, in their order."""
    names = [[base.__name__ for base in type(logger).__mro__] for logger in loggers]
    return [logger.experiment for logger, bases in zip(loggers, names, strict=True) if "TensorBoardLogger" in bases]
