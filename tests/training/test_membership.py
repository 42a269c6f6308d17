"""Callbacks of ours that come and go while a Trainer runs, and copies of them."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from lightning_cnnviz import CNNVisualizer, ConfusionMatrix, Drift, Filters, GradCAM, Predictions, Prototypes, Timeline
from tests.helpers.training import fit, image_steps, sha


class Meanwhile(Callback):
    """Does something at a hook of an epoch, once."""

    def __init__(self, hook: str, act: Callable[[Trainer], None], epoch: int = 1) -> None:
        self.act, self.epoch, self.done = act, epoch, False
        setattr(self, hook, self._do)

    def _do(self, trainer: Trainer, *_: Any, **__: Any) -> None:
        if trainer.current_epoch == self.epoch and not trainer.sanity_checking and not self.done:
            self.done = True
            self.act(trainer)


def at(*hooks: str) -> pytest.MarkDecorator:
    """The first of the hooks in every run of the tests, the others in the long one."""
    first, *others = hooks
    return pytest.mark.parametrize("hook", [first, *(pytest.param(other, marks=pytest.mark.slow) for other in others)])


def put(trainer: Trainer, callback: Callback, place: int | None = None) -> None:
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    callbacks.insert(len(callbacks) if place is None else place, callback)


def take(trainer: Trainer, callback: Callback) -> None:
    trainer.callbacks.remove(callback)  # type: ignore[attr-defined]


def strict_fit(directory: Path, callbacks: list[Callback], **options: Any) -> LightningModule:
    """Any warning of ours is an error."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", category=UserWarning, module=r"lightning_cnnviz\.")
        return fit(directory, callbacks, **{"max_epochs": 3, **options})


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> str:
    return sha(fit(tmp_path_factory.mktemp("alone"), [], max_epochs=3))


@at(
    "on_validation_batch_start",
    "on_train_epoch_start",
    "on_train_batch_start",
    "on_train_batch_end",
    "on_validation_start",
    "on_validation_batch_end",
    "on_validation_epoch_end",
    "on_validation_end",
    "on_train_epoch_end",
)
def test_a_callback_that_comes_later_looks_from_then_on(hook: str, alone: str, tmp_path: Path) -> None:
    # Given a session of its own it would write beside the others; not asked to join, it would never write.
    late = CNNVisualizer([Filters(), ConfusionMatrix(), Prototypes(steps=1)], 4, tag_prefix="late/")
    coming = Meanwhile(hook, lambda trainer: put(trainer, late))
    model = strict_fit(tmp_path, [coming, CNNVisualizer([Predictions()])])
    steps = image_steps(tmp_path)
    assert steps["predictions"] == [0, 5, 11, 17]
    assert steps["late/filters/stem.0"] in ([11, 17], [17])
    assert steps["late/prototypes"] == steps["late/filters/stem.0"]
    assert steps["late/confusion_matrix"] in ([11, 17], [17])  # only of whole validations
    assert late.membership.position == 0
    assert sha(model) == alone


@pytest.mark.slow
@pytest.mark.parametrize("place", [0, None])
def test_it_may_come_alone_or_as_the_first(place: int | None, alone: str, tmp_path: Path) -> None:
    late = CNNVisualizer([Filters()])
    coming = Meanwhile("on_train_batch_end", lambda trainer: put(trainer, late, place))
    others: list[Callback] = [] if place is None else [CNNVisualizer([Predictions()])]
    model = strict_fit(tmp_path, [coming, *others])
    assert image_steps(tmp_path)["filters/stem.0"] == [11, 17]
    assert late.membership.position == len(others)
    assert sha(model) == alone


@at("on_train_batch_start", "on_train_batch_end", "on_train_epoch_start")
def test_a_callback_that_goes_takes_no_other_with_it(hook: str, alone: str, tmp_path: Path) -> None:
    # The first one acts for all.
    first, second = CNNVisualizer([Filters()]), CNNVisualizer([Predictions()])
    going = Meanwhile(hook, lambda trainer: take(trainer, first))
    model = strict_fit(tmp_path, [going, first, second])
    assert image_steps(tmp_path) == {"filters/stem.0": [0, 5], "predictions": [0, 5, 11, 17]}
    assert second.membership.position == 1
    assert sha(model) == alone


def test_it_may_go_and_come_again_and_what_it_monitors_is_known_all_the_while(tmp_path: Path) -> None:
    ours, stays = CNNVisualizer([Drift(samples=8)]), CNNVisualizer([Filters()])
    going = Meanwhile("on_train_epoch_start", lambda trainer: take(trainer, ours))
    coming = Meanwhile("on_train_epoch_start", lambda trainer: put(trainer, ours), epoch=2)
    monitoring = ModelCheckpoint(tmp_path / "saved", monitor="drift/features")
    fit(tmp_path, [going, coming, ours, stays, monitoring], max_epochs=4, enable_checkpointing=True)
    assert ours.membership.position == 0
    assert monitoring.best_model_path


def test_what_is_wrong_with_one_that_comes_later_ends_no_run(alone: str, tmp_path: Path) -> None:
    view = Filters()
    early = CNNVisualizer([view])
    late = CNNVisualizer([GradCAM("no such layer"), view, Predictions()], tag_prefix="late/")
    coming = Meanwhile("on_train_batch_end", lambda trainer: put(trainer, late))
    with pytest.warns(UserWarning, match="CNNVisualizer goes on without") as told:
        model = fit(tmp_path, [coming, early], max_epochs=3)
    ours = [str(one.message) for one in told if "goes on without" in str(one.message)]
    assert len(ours) == 2
    assert any("no such layer" in text for text in ours)
    assert any("the same Filters stands in two callbacks" in text for text in ours)
    assert image_steps(tmp_path) == {"filters/stem.0": [0, 5, 11, 17], "late/predictions": [11, 17]}
    assert sha(model) == alone


@at("on_validation_batch_start", "on_train_batch_end", "on_validation_end")
def test_a_copy_made_in_the_middle_of_a_run_starts_afresh(hook: str, alone: str, tmp_path: Path) -> None:
    ours = CNNVisualizer([Timeline(), ConfusionMatrix()], 8)
    copies: list[CNNVisualizer] = []

    def replace(trainer: Trainer) -> None:
        copies.append(copy.deepcopy(ours))
        trainer.callbacks[trainer.callbacks.index(ours)] = copies[0]  # type: ignore[attr-defined]

    model = strict_fit(tmp_path, [ours, Meanwhile(hook, replace)])
    [copied] = copies
    assert copied.membership.position == 1
    assert len(ours.views[0]._frames) + len(copied.views[0]._frames) == 4  # type: ignore[attr-defined]
    assert image_steps(tmp_path)["timeline/grad_cam_2"][-1] == 17
    assert sha(model) == alone


def test_a_copy_of_one_that_has_run_starts_afresh_on_another_trainer(tmp_path: Path) -> None:
    ours = CNNVisualizer([Timeline()], 8)
    strict_fit(tmp_path / "first", [ours])
    copied = copy.deepcopy(ours)
    assert copied.membership.session is None
    strict_fit(tmp_path / "second", [copied], max_epochs=1)
    assert len(copied.views[0]._frames) == 2  # type: ignore[attr-defined]
    assert len(ours.views[0]._frames) == 4  # type: ignore[attr-defined]
    keys = {one.state_key for one in (pickle.loads(pickle.dumps(ours)), copy.deepcopy(ours), ours)}
    assert len(keys) == 3


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda ours: pickle.loads(pickle.dumps(ours))],
    ids=["shallow", "deep", "pickled"],
)
def test_a_copy_of_one_that_has_run_draws_and_holds_nothing_of_the_run(
    copied: Callable[[CNNVisualizer], CNNVisualizer], alone: str, tmp_path: Path
) -> None:
    ours = CNNVisualizer([Timeline()], 8)
    model = strict_fit(tmp_path / "first", [ours])
    model.cannot_be_copied = (one for one in ())
    other = copied(ours)
    assert sha(strict_fit(tmp_path / "second", [other])) == alone
    assert image_steps(tmp_path / "second") == image_steps(tmp_path / "first")
    assert other.views[0] is not ours.views[0]
