"""One Trainer run in several ways after each other."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch import Callback, seed_everything

from lightning_cnnviz import CNNVisualizer, Predictions
from tests.helpers.training import SmallCNN, loader, trainer


def files_after_fit_and_test(directory: Path, callbacks: list[Callback]) -> int:
    seed_everything(7, verbose=False)
    model, run = SmallCNN(), trainer(directory, callbacks, max_epochs=1)
    run.fit(model, loader(), loader())
    run.test(model, loader(), verbose=False)
    return len(list(directory.rglob("*tfevents*")))


def test_fit_and_test_leave_as_many_event_files_as_without_us(tmp_path: Path) -> None:
    # Were one opened by each of two threads, the records in the other would be lost.
    expected = files_after_fit_and_test(tmp_path / "without", [])
    assert files_after_fit_and_test(tmp_path / "with", [CNNVisualizer([Predictions()])]) == expected
