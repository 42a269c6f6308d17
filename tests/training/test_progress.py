"""The bar inside real Trainers: tqdm's, rich's and none."""

from __future__ import annotations

import re
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar, TQDMProgressBar

from lightning_cnnviz.training import progress
from lightning_cnnviz.training.progress import ProgressBar
from tests.helpers.training import fit

_REDRAWN_S = 0.11  # tqdm draws at most ten times a second


class LongWork(Callback):
    """Work of four steps after a validation, told to the bar; notes what is on the screen then and afterwards."""

    def __init__(self) -> None:
        self.during: list[str] = []
        self.afterwards: list[str] = []

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.sanity_checking:
            return
        bar = ProgressBar(trainer.progress_bar_callback)
        for done in range(1, 5):
            bar.update("Prototypes", done, 4)
            time.sleep(_REDRAWN_S)
            self.during += shown(trainer.progress_bar_callback)
        bar.close()
        self.afterwards += shown(trainer.progress_bar_callback)


def shown(trainer_bar: Any) -> list[str]:
    """The tasks on rich's screen."""
    tasks = getattr(getattr(trainer_bar, "progress", None), "tasks", [])
    return [f"{task.description} {task.completed:.0f}/{task.total:.0f}" for task in tasks]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_LONG_S", 0.0)


@pytest.mark.usefixtures("at_once")
def test_tqdm_shows_how_far_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit(tmp_path, [TQDMProgressBar(), LongWork()], max_epochs=1, enable_progress_bar=True)
    out = capsys.readouterr().out
    percentages = [int(found) for found in re.findall(r"Prototypes: +(\d+)%", out)]
    assert percentages[0] == 0
    assert percentages[-1] >= 50  # tqdm leaves out what comes too soon after the last
    assert "Epoch 0: 100%" in out  # the training's own bar goes on


@pytest.mark.usefixtures("at_once")
def test_rich_shows_how_far_it_is_and_takes_the_bar_away(tmp_path: Path) -> None:
    work = LongWork()
    fit(tmp_path, [RichProgressBar(), work], max_epochs=1, enable_progress_bar=True)
    assert [line.split("Prototypes ")[1] for line in work.during if "Prototypes" in line] == [
        "1/4",
        "2/4",
        "3/4",
        "4/4",
    ]
    assert not [line for line in work.afterwards if "Prototypes" in line]


@pytest.mark.usefixtures("at_once")
def test_a_trainer_without_a_bar_gets_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit(tmp_path, [LongWork()], max_epochs=1)
    assert "Prototypes" not in capsys.readouterr().out


def test_short_work_shows_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_LONG_S", 1000.0)
    fit(tmp_path, [TQDMProgressBar(), LongWork()], max_epochs=1, enable_progress_bar=True)
    assert "Prototypes" not in capsys.readouterr().out


class SlowWork(LongWork):
    """Work whose second step comes after longer than a bar waits, and whose second work is short again."""

    def __init__(self, clock: SimpleNamespace) -> None:
        super().__init__()
        self.clock = clock

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        bar = ProgressBar(trainer.progress_bar_callback)
        bar.update("Slow", 1, 4)
        self.clock.now += 1.0
        bar.update("Slow", 2, 4)
        time.sleep(_REDRAWN_S)
        bar.update("Slow", 3, 4)
        bar.close()
        bar.update("Quick", 1, 3)
        self.clock.now += 0.9
        bar.update("Quick", 2, 3)
        bar.close()
        bar.close()


def test_the_bar_appears_after_a_second_and_closing_starts_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(progress, "time", clock)
    callbacks = [TQDMProgressBar(), SlowWork(clock)]
    fit(tmp_path, callbacks, max_epochs=1, enable_progress_bar=True, num_sanity_val_steps=0)
    out = capsys.readouterr().out
    assert "Slow" in out
    assert "3/4" in out
    assert "Quick" not in out
