"""MLflow's own client, which hangs, raises or takes its time: no step of training waits for it."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.loggers import CSVLogger

from lightning_cnnviz import CNNVisualizer, Predictions, Prototypes
from tests.helpers.loggers import LOGGERS
from tests.helpers.training import fit, sha

[MLFLOW] = [one for one in LOGGERS if one.name == "MLFlowLogger"]
STEPS = {0, 5, 11}


def logger_whose_client(behaves: Callable[[], object], folder: Path) -> Any:
    """Only our pictures go through what it does; numbers, which Lightning logs on the training's thread, do not."""
    from mlflow import MlflowClient

    class Client(MlflowClient):
        def log_artifacts(self, *arguments: Any, **options: Any) -> None:
            behaves()
            super().log_artifacts(*arguments, **options)

    folder.mkdir()
    logger = MLFLOW.make(folder)
    logger._mlflow_client = Client(logger._tracking_uri)
    return logger


def trained(folder: Path, behaves: Callable[[], object]) -> tuple[Any, list[str]]:
    """Two epochs with that client and a CSV logger beside it; the logger, and our warnings."""
    logger = logger_whose_client(behaves, folder / "mlflow")
    loggers = [logger, CSVLogger(folder, name="", version="csv")]
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        model = fit(folder, [CNNVisualizer([Predictions(), Prototypes(steps=2)])], logger=loggers)
    assert sha(model) == sha(fit(folder / "without", [], logger=False))
    pictures = (folder / "csv" / "cnnviz").glob("predictions_*.png")
    assert {int(path.stem.rpartition("_")[2]) for path in pictures} == STEPS
    return logger, [str(one.message) for one in warned if "lightning_cnnviz" in one.filename]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
class TestMLflowThatHangs:
    @pytest.fixture(autouse=True)
    def _patient(self) -> None:
        """The training waits as long as it does for users: five seconds for the queue, ten at the end."""

    def test_costs_its_pictures_and_one_warning(self, tmp_path: Path) -> None:
        released = threading.Event()
        try:
            _, [warning] = trained(tmp_path, lambda: released.wait(600))
        finally:
            released.set()
        assert warning.startswith("pictures or numbers are left out, because MLFlowSink did not take them in time")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
class TestMLflow:
    def test_that_raises(self, tmp_path: Path) -> None:
        def raises() -> None:
            raise ConnectionError("no route to host")

        _, [warning] = trained(tmp_path, raises)
        assert warning.startswith("MLFlowSink failed at flushing")
        assert warning.endswith("ConnectionError: no route to host")

    def test_that_is_slow(self, tmp_path: Path) -> None:
        logger, told = trained(tmp_path, lambda: time.sleep(0.5))
        assert told == []
        assert set(MLFLOW.read(logger, tmp_path / "mlflow").pictures["predictions"]) == STEPS
