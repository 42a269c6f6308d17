"""One Trainer run in several ways after each other."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch import Callback, seed_everything

from lightning_cnnviz import CNNVisualizer, Drift, Predictions
from tests.helpers.training import SmallCNN, events, loader, trainer


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


def test_what_test_and_validate_return_is_the_users_own(tmp_path: Path) -> None:
    returned = {}
    for name, callbacks in (("without", []), ("with", [CNNVisualizer([Drift(layers="last")])])):
        seed_everything(7, verbose=False)
        model, run = SmallCNN(), trainer(tmp_path / name, callbacks, max_epochs=1)
        run.fit(model, loader(), loader())
        logged = {*run.callback_metrics}
        returned[name] = [run.test(model, loader(), verbose=False), run.validate(model, loader(), verbose=False)]
    assert returned["with"] == returned["without"]
    assert "drift/features" in logged  # while training others may monitor it
    steps = [scalar.step for scalar in events(tmp_path / "with").Scalars("drift/features")]
    assert steps == [5, 6, 7]  # and it is written all the same
