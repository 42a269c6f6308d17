"""Drift in a Trainer: what is written and monitored, and what a resumed run remembers."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch import nn

from lightning_cnnviz import CNNVisualizer, Drift, DriftCallback, FixedSamples, Flips, Timeline, View
from lightning_cnnviz.drift.alarms import Alarm
from tests.helpers.drift import look, samples, small_cnn
from tests.helpers.training import events, fit, image_tags, loader, resuming, sha, trainer


def test_means_and_what_moved_most_are_written_and_every_layer_where_it_is_asked_for(tmp_path: Path) -> None:
    few, every = DriftCallback(samples=samples()), DriftCallback(samples=samples(), details=True)
    fit(tmp_path / "few", [few], max_epochs=1)
    fit(tmp_path / "every", [every], max_epochs=1)
    short, long = (set(events(tmp_path / name).Tags()["scalars"]) for name in ("few", "every"))
    assert {tag.partition("/")[0] for tag in long - short} == {
        "drift_layers",
        "health_layers",
        "shortcuts_layers",
    }
    assert short < long
    ours = {tag for tag in short if tag.startswith(("drift", "health", "shortcuts"))}
    assert ours == set(every.views[0].monitored_tags) - {
        "shortcuts/grad_cam_attention_in_region",
        "shortcuts/saliency_attention_in_region",
    }
    note = events(tmp_path / "few").Tensors("drift_moved_most/text_summary")[-1].tensor_proto.string_val[0].decode()
    assert "| filters | previous |" in note


def test_training_is_the_same_to_the_bit_and_every_number_is_written(tmp_path: Path) -> None:
    alarms: list[Alarm] = []
    callback = DriftCallback(samples=samples(), on_alarm=alarms.append, details=True)
    options = {"accumulate_grad_batches": 4, "max_epochs": 3}
    assert sha(fit(tmp_path / "a", [], **options)) == sha(fit(tmp_path / "b", [callback], **options))
    found = events(tmp_path / "b")
    features = [event.value for event in found.Scalars("drift_layers/features/body/previous")]
    assert len(features) == 3
    assert all(0 < value <= 1 for value in features)
    short = [event.value for event in found.Scalars("drift/grad_cam")]
    layer = [event.value for event in found.Scalars("drift_layers/grad_cam/body/previous")]
    assert short == pytest.approx(layer)
    assert {"timeline/grad_cam", "timeline/features"} <= set(image_tags(found))


def test_checkpoints_and_early_stopping_monitor_the_short_tags(tmp_path: Path) -> None:
    class Values(Callback):
        seen: list[float] = []  # noqa: RUF012

        def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
            if not trainer.sanity_checking:
                self.seen.append(float(trainer.callback_metrics["drift/grad_cam"]))

    values = Values()
    best = ModelCheckpoint(tmp_path, "best", monitor="drift/grad_cam", mode="min")
    stopping = EarlyStopping("drift/filters", mode="min", patience=1, min_delta=10)
    callbacks = [DriftCallback(samples=samples()), values, best, stopping]
    fit(tmp_path, callbacks, enable_checkpointing=True, max_epochs=5)
    assert len(values.seen) == 2  # no look moves the filters by 10 times their length
    assert best.best_model_score is not None
    assert float(best.best_model_score) == min(values.seen) > 0


def test_without_a_first_look_the_monitored_numbers_start_at_zero(tmp_path: Path) -> None:
    best = ModelCheckpoint(tmp_path, monitor="drift/features", mode="max", save_top_k=-1)
    callback = CNNVisualizer([Drift()], samples(), log_untrained=False)
    fit(tmp_path, [callback, best], enable_checkpointing=True)
    assert events(tmp_path).Scalars("drift/features")[0].value == 0


@pytest.mark.slow
def test_a_resumed_run_continues_the_same_curves(tmp_path: Path) -> None:
    def train(name: str, **options: Any) -> None:
        model = small_cnn()
        model.dropout.p = 0.0  # Lightning does not restore random states
        kept = ModelCheckpoint(tmp_path, name + "{epoch}", save_top_k=-1)
        callbacks = [DriftCallback(samples=samples(), details=True), kept]
        run = trainer(tmp_path / name, callbacks, enable_checkpointing=True, max_epochs=4)
        run.fit(model, loader(), loader(), **options)

    train("whole")
    train("resumed", **resuming(tmp_path / "wholeepoch=1.ckpt", weights_only=True))
    whole, resumed = events(tmp_path / "whole"), events(tmp_path / "resumed")
    tags = [tag for tag in whole.Tags()["scalars"] if tag.startswith(("drift/", "drift_layers/"))]
    assert len(tags) == 30
    for tag in tags:
        expected = [(event.step, pytest.approx(event.value, abs=1e-5)) for event in whole.Scalars(tag)][-2:]
        assert [(event.step, event.value) for event in resumed.Scalars(tag)] == expected
    last_of_whole, last_of_resumed = (run.Images("cnnviz/7 change/timeline/grad_cam")[-1] for run in (whole, resumed))
    assert (last_of_whole.width, last_of_whole.height) == (last_of_resumed.width, last_of_resumed.height)


@pytest.mark.parametrize("width", [2, pytest.param(128, marks=pytest.mark.slow)])
def test_the_state_stays_below_two_megabytes(width: int) -> None:
    model = nn.Sequential(
        nn.Conv2d(3, width, 3, stride=2),
        nn.ReLU(),
        nn.Conv2d(width, 4 * width, 3, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, 1000),
    )
    views: list[View] = [Drift(), Timeline(), Flips()]
    look(views, model, FixedSamples(torch.rand(64, 3, 32, 32)))
    buffer = io.BytesIO()
    torch.save(views[0].state_dict(), buffer)
    assert buffer.tell() < 2_000_000
