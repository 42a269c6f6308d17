"""Real loggers with their own clients and readers: one callback draws into all of them at once, offline."""

from __future__ import annotations

import csv
import json
import struct
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CometLogger, CSVLogger, MLFlowLogger, TensorBoardLogger, WandbLogger
from PIL import Image

from lightning_cnnviz import CNNVisualizer, GradCAM, ModelSummary, Predictions, Prototypes
from lightning_cnnviz.output.names import escape, unescape
from lightning_cnnviz.output.record import step_of
from lightning_cnnviz.page.report import read_report
from tests.helpers.training import SmallCNN, image_steps, loader, sha

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

TAGS = {"predictions", "grad_cam/body.2", "prototypes"}


def views() -> list[Any]:
    return [Predictions(), GradCAM("body.2"), Prototypes(steps=3), ModelSummary()]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str, Any]]:
    """Two epochs with every logger attached; where they wrote, the weights, and the MLflow logger."""
    folder = tmp_path_factory.mktemp("loggers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "offline")
        patch.setenv("WANDB_SILENT", "true")
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.chdir(folder)
        yield _train(folder)


def _train(folder: Path) -> tuple[Path, str, Any]:
    import comet_ml

    comet = CometLogger(online=False)
    comet._experiment = comet_ml.OfflineExperiment(
        offline_directory=str(folder / "comet"), disabled=False, log_code=False, auto_output_logging=False
    )
    mlflow = MLFlowLogger(tracking_uri=f"sqlite:///{folder}/mlflow.db", artifact_location=str(folder / "artifacts"))
    loggers = [
        TensorBoardLogger(folder, name="", version="events"),
        CSVLogger(folder / "csv"),
        WandbLogger(save_dir=folder, offline=True),
        mlflow,
        comet,
    ]
    model = fit(folder, loggers, [CNNVisualizer(views(), samples=3)])
    import wandb

    wandb.finish()
    comet._experiment.end()
    return folder, sha(model), mlflow


def fit(folder: Path, loggers: Any, callbacks: list[Any]) -> SmallCNN:
    torch.manual_seed(1)
    model = SmallCNN()
    trainer = Trainer(
        max_epochs=2,
        logger=loggers,
        callbacks=callbacks,
        accelerator="cpu",
        default_root_dir=folder,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=2,
    )
    trainer.fit(model, loader(), loader())
    return model


def test_training_is_the_same_as_with_no_logger_and_no_callback(run: Any, tmp_path: Path) -> None:
    assert run[1] == sha(fit(tmp_path, False, []))


def test_tensorboard(run: Any) -> None:
    steps = image_steps(run[0])
    assert {tag: found for tag, found in steps.items() if tag in TAGS} == {
        "predictions": [0, 5, 11],
        "grad_cam/body.2": [0, 5, 11],
        "prototypes": [5, 11],
    }


def test_csv_files_lie_beside_the_metrics(run: Any) -> None:
    [metrics] = run[0].glob("csv/**/metrics.csv")
    pictures = metrics.parent / "cnnviz"
    assert sorted(path.name for path in (pictures / "grad_cam").glob("*.png")) == [
        f"body.2_{step:06d}.png" for step in (0, 5, 11)
    ]
    with (pictures / "scalars.csv").open() as file:
        assert {row["tag"] for row in csv.DictReader(file)} >= {"prototypes/cost"}


def wandb_records(content: bytes) -> Iterator[bytes]:
    """The records of an offline run: LevelDB's log format behind a header of seven bytes."""
    position, parts = 7, b""
    while position + 7 <= len(content):
        if (left := 32768 - position % 32768) < 7:
            position += left
            continue
        size, kind = struct.unpack_from("<HB", content, position + 4)
        parts += content[position + 7 : position + 7 + size]
        position += 7 + size
        if kind in (1, 4):  # whole, or the last part
            yield parts
            parts = b""


def test_wandb_gets_one_row_a_look_at_lightnings_step(run: Any) -> None:
    from wandb.proto import wandb_internal_pb2

    [file] = run[0].glob("wandb/offline-run-*/run-*.wandb")
    rows: list[dict[str, Any]] = []
    for data in wandb_records(file.read_bytes()):
        record = wandb_internal_pb2.Record.FromString(data)
        if record.WhichOneof("record_type") == "history":
            rows.append({".".join(item.nested_key): json.loads(item.value_json) for item in record.history.item})
    looks = [row for row in rows if "predictions._type" in row]
    assert [row["trainer/global_step"] for row in looks] == [0, 5, 11]
    assert all(row["predictions._type"] == "image-file" for row in looks)
    assert [row["trainer/global_step"] for row in rows if "val_loss" in row] == [5, 11]
    [page] = [row for row in rows if "report._type" in row]
    assert (page["report._type"], page["trainer/global_step"]) == ("html-file", 11)
    [run_of_page] = read_report((file.parent / "files" / page["report.path"]).read_bytes())
    assert [step_of(look) for look in run_of_page.looks] == [0, 5, 11]
    media = file.parent / "files" / looks[1]["predictions.path"]
    [original] = run[0].glob("csv/**/cnnviz/predictions_000005.png")
    assert media.read_bytes() == original.read_bytes()


def test_mlflow_shows_images_with_steps(run: Any) -> None:
    folder, _, logger = run
    client, run_id = logger.experiment, logger.run_id
    steps: dict[str, set[int]] = defaultdict(set)
    for entry in client.list_artifacts(run_id, "images"):
        name = entry.path.partition("/")[2]
        key, step = name.split("+step+")
        steps[unescape(key.replace("~", "/"))].add(int(step.partition("+")[0]))
    assert steps["predictions"] == {0, 5, 11}
    assert steps["grad_cam/body.2"] == {0, 5, 11}
    assert client.get_run(run_id).data.tags["mlflow.loggedImages"] == "True"
    costs = client.get_metric_history(run_id, "prototypes/cost")
    assert [metric.step for metric in costs] == [5, 11]
    [report] = folder.glob("artifacts/**/report.html")
    assert report.read_bytes().count(b"<script") > 3
    assert [len(found.looks) for found in read_report(report.read_bytes())] == [3]
    [file] = folder.glob("artifacts/**/predictions+step+5+*.png")
    with Image.open(file) as picture, Image.open(next(folder.glob("csv/**/cnnviz/predictions_000005.png"))) as original:
        assert picture.tobytes() == original.tobytes()


def test_comets_archive_is_complete(run: Any) -> None:
    [archive] = (run[0] / "comet").glob("*.zip")
    with zipfile.ZipFile(archive) as files:
        messages = [json.loads(line) for line in files.read("messages.json").decode().splitlines()]
    steps: dict[str, list[int]] = defaultdict(list)
    for message in messages:
        if message["payload"].get("upload_type") == "visualization":
            about = message["payload"]["additional_params"]
            steps[about["figName"]].append(about["step"])
    assert steps == {"predictions": [0, 5, 11], "grad_cam/body.2": [0, 5, 11], "prototypes": [5, 11]}


@pytest.mark.parametrize("tag", ["grad_cam/layer:0", "_x3a_", "a_x3a_b:c", "café/狗", "plain/tag"])
def test_forbidden_characters_come_back(tag: str) -> None:
    name = escape(tag, r"[^a-zA-Z0-9_\-./ ]")
    assert not set(name) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./ ")
    assert unescape(name) == tag
