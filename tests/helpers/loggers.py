"""Every logger that is written to: how it is made offline, and what its users find in it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.helpers import stores
from tests.helpers.stores import Stored


@dataclass(frozen=True)
class Watched:
    """A logger, and its row in the documentation.

    Attributes:
        name: of its class.
        module: what must be installed.
        make: makes it, to write below a directory.
        close: ends what the Trainer leaves open.
        read: reads everything back, of the logger and its directory.
        pictures, numbers, notes: where its users find them; notes are empty where it has no place for them.
        slider: what moves along the steps.
        offline: how it is used without a network.
    """

    name: str
    module: str
    make: Callable[[Path], Any]
    read: Callable[[Any, Path], Stored]
    pictures: str
    numbers: str
    notes: str
    slider: str
    offline: str
    close: Callable[[Any], object] = lambda logger: None

    @property
    def is_installed(self) -> bool:
        return importlib.util.find_spec(self.module) is not None


def _tensorboard(folder: Path) -> Any:
    from lightning.pytorch.loggers import TensorBoardLogger

    return TensorBoardLogger(folder, name="", version="")


def _csv(folder: Path) -> Any:
    from lightning.pytorch.loggers import CSVLogger

    return CSVLogger(folder, name="", version="")


def _wandb(folder: Path) -> Any:
    from lightning.pytorch.loggers import WandbLogger

    return WandbLogger(save_dir=folder, offline=True)


def _close_wandb(logger: Any) -> None:
    logger.experiment.finish()


def _mlflow(folder: Path) -> Any:
    from lightning.pytorch.loggers import MLFlowLogger

    return MLFlowLogger(tracking_uri=f"sqlite:///{folder}/mlflow.db", artifact_location=str(folder / "artifacts"))


def mlflow_in_files(folder: Path) -> Any:
    """With the older kind of store, whose metrics are files in folders."""
    from lightning.pytorch.loggers import MLFlowLogger

    return MLFlowLogger(tracking_uri=f"file:{folder}/mlruns")


def _comet(folder: Path) -> Any:
    import comet_ml
    from lightning.pytorch.loggers import CometLogger

    logger = CometLogger(online=False)
    logger._experiment = comet_ml.OfflineExperiment(
        offline_directory=str(folder), disabled=False, log_code=False, auto_output_logging=False
    )
    return logger


def _close_comet(logger: Any) -> None:
    logger._experiment.end()


def _aim(folder: Path) -> Any:
    from aim.pytorch_lightning import AimLogger

    return AimLogger(
        repo=str(folder), system_tracking_interval=None, log_system_params=False, capture_terminal_logs=False
    )


def _swanlab(folder: Path) -> Any:
    from swanlab.integration.pytorch_lightning import SwanLabLogger

    return SwanLabLogger(project="tests", mode="offline", log_dir=str(folder))


def _close_swanlab(logger: Any) -> None:
    import swanlab

    swanlab.finish()


def _dvclive(folder: Path) -> Any:
    from dvclive.lightning import DVCLiveLogger

    return DVCLiveLogger(dir=str(folder), save_dvc_exp=False)


LOGGERS = [
    Watched(
        "TensorBoardLogger",
        "tensorboard",
        _tensorboard,
        stores.read_tensorboard,
        pictures="Images, the page CNN Viz, `report.html`",
        numbers="Scalars",
        notes="Text",
        slider="of each picture; of the page for all",
        offline="always",
    ),
    Watched(
        "CSVLogger",
        "lightning",
        _csv,
        stores.read_csv,
        pictures="files in `cnnviz` beside `metrics.csv`, `index.html`, `report.html`",
        numbers="`scalars.csv`",
        notes="Markdown files",
        slider="of `index.html` and `report.html` for all",
        offline="always",
    ),
    Watched(
        "WandbLogger",
        "wandb",
        _wandb,
        stores.read_wandb,
        close=_close_wandb,
        pictures="media panels, files as they are; the page as Html panel `report`",
        numbers="panels",
        notes="Html panels",
        slider="of each panel, one row a look, over `trainer/global_step`",
        offline="`WandbLogger(offline=True)`, then `wandb sync`",
    ),
    Watched(
        "MLFlowLogger",
        "mlflow",
        _mlflow,
        stores.read_mlflow,
        pictures="image grid; the page as artifact `report.html`",
        numbers="metrics",
        notes="artifacts in `notes`",
        slider="of the image grid for all",
        offline="a store on the disk: SQLite or files",
    ),
    Watched(
        "CometLogger",
        "comet_ml",
        _comet,
        stores.read_comet,
        close=_close_comet,
        pictures="Graphics",
        numbers="Panels",
        notes="Text",
        slider="of Graphics",
        offline="an `OfflineExperiment` as the logger's `_experiment`; `CometLogger(online=False)` stores nothing",
    ),
    Watched(
        "AimLogger",
        "aim",
        _aim,
        stores.read_aim,
        pictures="image explorer, encoded again",
        numbers="metrics",
        notes="text explorer",
        slider="of the explorer, once the run is closed and `aim storage reindex` has run",
        offline="always",
    ),
    Watched(
        "SwanLabLogger",
        "swanlab",
        _swanlab,
        stores.read_swanlab,
        close=_close_swanlab,
        pictures="image charts, encoded again",
        numbers="charts",
        notes="text charts",
        slider="of each chart",
        offline='`SwanLabLogger(mode="offline")`, then `swanlab sync`',
    ),
    Watched(
        "DVCLiveLogger",
        "dvclive",
        _dvclive,
        stores.read_dvclive,
        pictures="image plots, encoded again",
        numbers="metrics and plots",
        notes="",
        slider="of each image",
        offline="always",
    ),
]
