"""Which sink writes to which logger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from lightning_cnnviz.arguments import shown
from lightning_cnnviz.output.aim import AimSink
from lightning_cnnviz.output.comet import CometSink
from lightning_cnnviz.output.disk import is_remote
from lightning_cnnviz.output.dvclive import DVCLiveSink
from lightning_cnnviz.output.files import FileSink
from lightning_cnnviz.output.mlflow import MLFlowSink
from lightning_cnnviz.output.sink import Sink
from lightning_cnnviz.output.swanlab import SwanLabSink
from lightning_cnnviz.output.tensorboard import TensorBoardSink
from lightning_cnnviz.output.wandb import WandbSink

SinkFactory: TypeAlias = Callable[[Any], Sink]
"""Makes the sink that writes to a logger."""


def register_sink(logger_class: str, factory: SinkFactory) -> None:
    """Lets :class:`~lightning_cnnviz.CNNVisualizer` write to a kind of logger; replaces what was registered before.

    Args:
        logger_class: the name of the logger's class or of one of its bases, for example ``"WandbLogger"``.
        factory: takes the logger, returns a sink. It is called on rank 0 only, before the first look. An error of it
            costs that logger's pictures and one warning.

    Raises:
        TypeError: the name is no string, or the factory cannot be called.
    """
    if not isinstance(logger_class, str) or not callable(factory):
        raise TypeError(
            "register_sink takes a class name and a function from a logger to a sink, "
            f"got logger_class={shown(logger_class)} and factory={shown(factory)}"
        )
    _FACTORIES[logger_class] = factory


def sink_factory(logger: object) -> SinkFactory | None:
    """The registered way to write to a logger; None if there is none."""
    # By class name, because `lightning` and `pytorch_lightning` each have loggers that the other does not know, and
    # because the DummyLogger of `fast_dev_run` answers every `hasattr` with True.
    names = (base.__name__ for base in type(logger).__mro__)
    return next((_FACTORIES[name] for name in names if name in _FACTORIES), None)


def _beside_metrics(logger: Any) -> Sink:
    """Files in the directory of ``metrics.csv``."""
    if is_remote(logger.log_dir):
        raise ValueError(f"pictures cannot be written to {logger.log_dir}")
    logger.experiment  # noqa: B018 - it warns of a directory that is not empty, as it would be with our files
    return FileSink(Path(logger.log_dir) / "cnnviz")


_FACTORIES: dict[str, SinkFactory] = {
    "AimLogger": lambda logger: AimSink(logger.experiment),
    "CSVLogger": _beside_metrics,
    "CometLogger": lambda logger: CometSink(logger.experiment),
    "DVCLiveLogger": lambda logger: DVCLiveSink(logger.experiment),
    "MLFlowLogger": lambda logger: MLFlowSink(logger.experiment, logger.run_id),
    "SwanLabLogger": lambda logger: SwanLabSink(logger.experiment),
    "TensorBoardLogger": lambda logger: TensorBoardSink(logger.experiment),
    "WandbLogger": lambda logger: WandbSink(logger.experiment),
}
