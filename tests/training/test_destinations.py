"""Where pictures go: to the Trainer's loggers, to files, to sinks of one's own, or nowhere."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.loggers.logger import DummyLogger

from lightning_cnnviz import (
    CNNVisualizer,
    FileSink,
    FilterCallback,
    GradCAMCallback,
    Predictions,
    SaliencyCallback,
)
from tests.helpers.training import (
    SmallCNN,
    events,
    fit,
    image_steps,
    image_tags,
    loader,
    trainer,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers", "ignore:.*LeafSpec", "ignore:.*log_every"
)


def test_all_tensorboard_loggers_get_the_pictures(tmp_path: Path) -> None:
    loggers = [TensorBoardLogger(tmp_path / name, name="", version="events") for name in ("one", "two")]
    fit(tmp_path, [CNNVisualizer([Predictions()])], logger=[*loggers, CSVLogger(tmp_path)], max_epochs=1)
    assert image_steps(tmp_path / "one") == image_steps(tmp_path / "two") == {"predictions": [0, 5]}


def test_a_logger_that_takes_no_pictures_and_none_at_all_have_files(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class MyLogger(DummyLogger):
        pass

    caplog.set_level(logging.INFO, logger="lightning.pytorch")
    tags = {"predictions_000000.png", "predictions_000005.png"}
    for version, logger in enumerate((False, MyLogger())):
        run = trainer(
            tmp_path, [CNNVisualizer([Predictions()])], logger=logger, max_epochs=1, default_root_dir=tmp_path
        )
        model = SmallCNN()
        run.fit(model, loader(), loader())
        run.validate(model, loader(), verbose=False)
        directory = tmp_path / "cnnviz" / f"version_{version}"
        assert {path.name for path in directory.glob("*.png")} == tags | {"predictions_000006.png"}
    said = [record.message for record in caplog.records if "they are written to" in record.message]
    assert said == [
        f"the Trainer has no logger: they are written to {tmp_path / 'cnnviz' / 'version_0'}",
        f"pictures cannot be logged to MyLogger yet: they are written to {tmp_path / 'cnnviz' / 'version_1'}",
    ]


def test_pictures_beside_the_metrics_of_a_csv_logger(tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path, name="", version="csv")
    fit(tmp_path, [CNNVisualizer([Predictions()])], logger=logger)
    assert sorted(path.name for path in (tmp_path / "csv" / "cnnviz").glob("*.png")) == [
        f"predictions_{step:06d}.png" for step in (0, 5, 11)
    ]


def test_each_callback_writes_to_its_own_sinks(tmp_path: Path) -> None:
    theirs, ours = FileSink(tmp_path / "a"), FileSink(tmp_path / "b")
    callbacks = [
        CNNVisualizer([Predictions()], sinks=[theirs, ours]),
        FilterCallback(sinks=[ours]),
        SaliencyCallback(),
        GradCAMCallback(sinks=[]),
    ]
    fit(tmp_path, callbacks, max_epochs=1)
    assert sorted(path.parent.name for path in tmp_path.glob("a/**/*_000005.png")) == ["a"]
    assert sorted(path.parent.name for path in tmp_path.glob("b/**/*_000005.png")) == ["b", "filters"]
    assert image_steps(tmp_path) == {"saliency/gradient": [0, 5]}


@pytest.mark.parametrize("options", [{"fast_dev_run": True}, {"barebones": True, "logger": None}])
def test_nowhere_to_write_is_said_once_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, options: dict[str, Any]
) -> None:
    # A trial of the code ends before anybody reads advice.
    if options.get("barebones"):
        options |= {"enable_checkpointing": None, "enable_progress_bar": None, "enable_model_summary": None}
        options |= {"log_every_n_steps": None}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with caplog.at_level(logging.INFO, logger="lightning.pytorch"):
            trainer(tmp_path, [CNNVisualizer()], **options).fit(SmallCNN(), loader(), loader())
    said = [str(warning.message) for warning in caught if "lightning_cnnviz" in warning.filename]
    said += [record.message for record in caplog.records if "lightning_cnnviz" in record.pathname]
    assert said == ["nothing will be drawn: fast_dev_run and barebones switch the loggers off"]


def test_pictures_can_be_stored_as_jpeg(tmp_path: Path) -> None:
    fit(tmp_path, [CNNVisualizer([Predictions()], picture_format="jpeg"), SaliencyCallback()], max_epochs=1)
    accumulator = events(tmp_path)
    tags = image_tags(accumulator)
    starts = {tag: accumulator.Images(placed)[0].encoded_image_string[:4] for tag, placed in tags.items()}
    assert starts == {"predictions": b"\xff\xd8\xff\xe0", "saliency/gradient": b"\x89PNG"}
