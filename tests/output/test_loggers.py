"""Real loggers with their own clients and readers: one callback draws into all of them at once, offline."""

from __future__ import annotations

import functools
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer

from lightning_cnnviz import (
    Artifact,
    CNNVisualizer,
    Drift,
    GradCAM,
    ModelSummary,
    Picture,
    Predictions,
    Prototypes,
    Request,
    Scalar,
    View,
)
from lightning_cnnviz.output import worker
from lightning_cnnviz.output.names import escape, unescape
from lightning_cnnviz.output.record import step_of
from lightning_cnnviz.output.registry import sink_factory
from lightning_cnnviz.page.report import read_report
from tests.helpers.loggers import LOGGERS, Watched, mlflow_in_files
from tests.helpers.stores import Stored, read_mlflow, wandb_rows
from tests.helpers.training import SmallCNN, loader, sha

LONG = "x" * 300
AWKWARD = ("c:olon?/狗 (é)", "/lead", "a/../b", "dou//ble/", ".dot", "new\nline", "nul\0", "like_x3a_escaped", LONG)
PICTURES = {
    **{"predictions": {0, 5, 11}, "grad_cam/body.2": {0, 5, 11}, "prototypes": {5, 11}},
    **dict.fromkeys(AWKWARD, {0, 5, 11}),
}
NUMBERS = {
    **{"prototypes/cost": {5, 11}, "drift/grad_cam": {5, 11}, "drift/grad_cam_focus_shift": {5, 11}},
    **{f"n {tag}": {0, 5, 11} for tag in AWKWARD},
}

VALIDATION_LOSS = {"AimLogger": "loss", "DVCLiveLogger": "val/loss"}  # what they make of the name


class Awkward(View):
    """A picture and a number under each tag that some store would forbid, read as a path, or cut."""

    def request(self, layout: Any, samples: Any) -> Request:
        return Request()

    def draw(self, evidence: Any) -> Iterator[Artifact]:
        for shade, tag in enumerate(AWKWARD):
            yield Picture(tag, np.full((9, 9, 3), 20 * shade, np.uint8))
            yield Scalar(f"n {tag}", shade)


def views() -> list[Any]:
    return [Predictions(), GradCAM("body.2"), Prototypes(steps=3), ModelSummary(), Drift(), Awkward()]


def with_long_tags(found: Stored) -> Stored:
    """Where the end of a long tag gave way to digits, it is there again."""

    def full(found: dict[str, Any]) -> dict[str, Any]:
        return {tag.partition("x" * 80)[0] + LONG if "x" * 80 in tag else tag: one for tag, one in found.items()}

    return Stored(full(found.pictures), full(found.numbers), found.notes)


class Run:
    """Two epochs with every logger attached that is installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loggers = {
            watched.name: watched.make(self._of(watched.name)) for watched in LOGGERS if watched.is_installed
        }
        self.in_files = mlflow_in_files(folder)
        self.sha = sha(fit(folder, [*self.loggers.values(), self.in_files], [CNNVisualizer(views(), samples=8)]))
        for watched in LOGGERS:
            if watched.is_installed:
                watched.close(self.loggers[watched.name])

    @functools.cache  # noqa: B019 - there is one run
    def stored(self, watched: Watched) -> Stored:
        return with_long_tags(watched.read(self.loggers[watched.name], self._of(watched.name)))

    def _of(self, name: str) -> Path:
        path = self.folder / name
        path.mkdir(exist_ok=True)
        return path


@pytest.fixture(scope="module")
def threads() -> dict[str, set[str]]:
    """Where each sink was called, by its name."""
    return defaultdict(set)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, threads: dict[str, set[str]]) -> Iterator[Run]:
    write = worker.GuardedSink.write

    def noted(sink: worker.GuardedSink, *arguments: Any) -> None:
        threads[sink.name].add(threading.current_thread().name)
        write(sink, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker.GuardedSink, "write", noted)
        patch.setenv("WANDB_SILENT", "true")
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        patch.setenv("DVC_NO_ANALYTICS", "1")
        folder = tmp_path_factory.mktemp("loggers")
        patch.chdir(folder)
        yield Run(folder)


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


def each_logger() -> Any:
    """Aim and SwanLab are not to be had for every Python, and are left out there by name."""
    return pytest.mark.parametrize(
        "watched",
        [
            pytest.param(
                one, id=one.name, marks=[] if one.is_installed else pytest.mark.skip(f"{one.module} is not installed")
            )
            for one in LOGGERS
        ],
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
class TestAllLoggersOfOneRun:
    def test_training_is_the_same_as_with_no_logger_and_no_callback(self, run: Run, tmp_path: Path) -> None:
        assert run.sha == sha(fit(tmp_path, False, []))

    @each_logger()
    def test_everything_is_stored_at_its_step(self, run: Run, watched: Watched) -> None:
        stored = run.stored(watched)
        assert {tag: set(steps) for tag, steps in stored.pictures.items()} == PICTURES
        assert {tag: stored.numbers[tag] for tag in NUMBERS} == NUMBERS
        assert stored.numbers[VALIDATION_LOSS.get(watched.name, "val_loss")] >= {5, 11}
        assert ("model_summary" in stored.notes) == bool(watched.notes)

    @each_logger()
    def test_pictures_are_the_same_to_the_pixel(self, run: Run, watched: Watched) -> None:
        pictures, expected = (run.stored(one).pictures for one in (watched, LOGGERS[0]))
        for tag, steps in PICTURES.items():
            for step in steps:
                assert (pictures[tag][step] == expected[tag][step]).all()

    def test_every_sink_has_one_thread_and_it_is_not_the_training_s(
        self, run: Run, threads: dict[str, set[str]]
    ) -> None:
        assert len(threads) == len(run.loggers)
        assert all(names == {"lightning_cnnviz-writer"} for names in threads.values())

    def test_wandb_gets_one_row_a_look_and_its_files_as_they_are(self, run: Run) -> None:
        rows = wandb_rows(run.folder / "WandbLogger")
        looks = [row for row in rows if "predictions._type" in row]
        assert [row["trainer/global_step"] for row in looks] == [0, 5, 11]
        [files] = run.folder.glob("WandbLogger/wandb/offline-run-*/files")
        original = run.folder / "CSVLogger" / "cnnviz" / "predictions_000005.png"
        assert (files / looks[1]["predictions.path"]).read_bytes() == original.read_bytes()
        [page] = [row for row in rows if "report._type" in row]
        assert (page["report._type"], page["trainer/global_step"]) == ("html-file", 11)
        [run_of_page] = read_report((files / page["report.path"]).read_bytes())
        assert [step_of(look) for look in run_of_page.looks] == [0, 5, 11]

    def test_mlflow_has_the_page_of_the_run(self, run: Run) -> None:
        [report] = run.folder.glob("MLFlowLogger/artifacts/**/report.html")
        assert report.read_bytes().count(b"<script") > 3
        assert [len(found.looks) for found in read_report(report.read_bytes())] == [3]

    def test_mlflow_in_files_has_the_same(self, run: Run) -> None:
        stored = with_long_tags(read_mlflow(run.in_files, run.folder))
        assert {tag: set(steps) for tag, steps in stored.pictures.items()} == PICTURES
        assert {tag: stored.numbers[tag] for tag in NUMBERS} == NUMBERS
        assert run.in_files.experiment.get_run(run.in_files.run_id).data.tags["mlflow.loggedImages"] == "True"


@pytest.mark.parametrize("watched", LOGGERS, ids=lambda watched: watched.name)
def test_a_logger_of_the_page_has_a_sink(watched: Watched) -> None:
    assert sink_factory(type(watched.name, (), {})()) is not None


@pytest.mark.parametrize("tag", ["grad_cam/layer:0", "_x3a_", "a_x3a_b:c", "café/狗", "plain/tag"])
def test_forbidden_characters_come_back(tag: str) -> None:
    name = escape(tag, r"[^a-zA-Z0-9_\-./ ]")
    assert not set(name) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./ ")
    assert unescape(name) == tag
