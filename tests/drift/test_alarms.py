"""Alarms: when they are raised, in training too, and what they say."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from lightning_cnnviz import Drift, DriftCallback
from lightning_cnnviz.drift.alarms import Alarm, AlarmMonitor, Exceeded
from lightning_cnnviz.drift.rule import LEARNING_RATE, SAMPLES_LOSS, TRAINING_LOSS
from tests.helpers.drift import FEATURES, FILTERS, look, samples, small_cnn
from tests.helpers.training import SmallCNN, events, fit


def watched(rule: Any, values: list[float], warm_up: int = 3) -> list[int]:
    """The looks at which a series of values alarms."""
    monitor = AlarmMonitor(rule, warm_up)
    tag = "drift" if isinstance(rule, dict) else FEATURES
    return [index for index, value in enumerate(values) if monitor.check({tag: value}, {tag: value}, 32)]


class TestMonitor:
    def test_a_jump_alarms_and_what_led_to_it_does_not(self) -> None:
        assert watched("auto", [0.9, 0.5, 0.3, 0.2, 0.15, *[0.05] * 6, 0.8, 0.1]) == [11]

    def test_a_fall_does_not_alarm(self) -> None:
        assert watched("auto", [0.5, 0.5, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0]) == []

    def test_nothing_alarms_in_the_first_looks(self) -> None:
        assert watched("auto", [0.01, 0.01, 1.0, 0.01, 0.01, 0.01, 0.01, 1.0]) == [7]
        assert watched({"drift": 0.5}, [1.0, 1.0, 1.0, 1.0], warm_up=3) == [3]

    def test_a_limit_is_passed_only_from_above(self) -> None:
        assert watched({"drift": 0.5}, [0.0, 0.5, 0.51, 0.4, 0.6], warm_up=1) == [2, 4]

    def test_no_rule_no_alarm(self) -> None:
        assert watched(None, [0.0, 0.0, 0.0, 0.0, 1.0]) == []

    def test_the_one_furthest_above_comes_first(self) -> None:
        monitor = AlarmMonitor({"a": 0.1, "b": 0.1}, 1)
        monitor.check({"a": 0, "b": 0}, {}, 32)
        found = monitor.check({"a": 0.2, "b": 0.9}, {}, 32)
        assert found == [Exceeded("b", 0.9, 0.1), Exceeded("a", 0.2, 0.1)]

    def test_weights_that_changed_come_before_what_followed(self) -> None:
        monitor = AlarmMonitor("auto", 1)
        quiet = {FEATURES: 0.001, FILTERS: 0.1, SAMPLES_LOSS: 0.2}
        for _ in range(4):
            assert not monitor.check({}, quiet, 32)
        found = monitor.check({}, {FEATURES: 0.9, FILTERS: 1.2, SAMPLES_LOSS: 3.0}, 32)
        assert found[0].tag == FILTERS
        assert found[0].layer == "body.0"
        assert {one.tag for one in found} == {FILTERS, FEATURES, SAMPLES_LOSS}

    def test_goes_on_from_its_state(self) -> None:
        monitor = AlarmMonitor("auto", 3)
        for _ in range(4):
            monitor.check({}, {FEATURES: 0.02}, 32)
        resumed = AlarmMonitor("auto", 3)
        resumed.load_state_dict(monitor.state_dict())
        now = {FEATURES: 0.9}
        assert resumed.check({}, now, 32) == monitor.check({}, now, 32) != []

    @pytest.mark.parametrize("rule", ["always", 0.5, ["drift"]])
    def test_other_rules_are_refused(self, rule: Any) -> None:
        with pytest.raises(TypeError, match="mapping from tags to limits, 'auto' or None"):
            AlarmMonitor(rule, 1)


def run_with(tmp_path: Path, callback: DriftCallback, harm: Callable[[LightningModule, list[Tensor]], None]) -> None:
    """Trains until the stripes are learnt; in the last of 21 epochs ``harm`` is done to the model and each batch."""

    class Harm(Callback):
        def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, index: int) -> None:
            if trainer.current_epoch == 20:
                harm(pl_module, batch if index else [])

    model = SmallCNN()
    model.dropout.p = 0.0
    fit(tmp_path, [callback, Harm()], model, max_epochs=21)


@pytest.mark.slow
class TestInTraining:
    @pytest.mark.parametrize("layer", ["stem.0", "body.0", "head"])
    def test_the_layer_that_starts_anew_is_named(self, tmp_path: Path, layer: str) -> None:
        def renew(model: LightningModule, batch: list[Tensor]) -> None:
            if not batch:
                model.get_submodule(layer).reset_parameters()  # type: ignore[operator]

        alarms: list[Alarm] = []
        run_with(tmp_path, DriftCallback(samples=samples(24), on_alarm=alarms.append), renew)
        first = next(alarm for alarm in alarms if alarm.epoch == 20)
        assert first.layer == layer
        assert layer in first.sentence

    def test_weights_that_are_no_numbers_are_called_so(self, tmp_path: Path) -> None:
        def spoil(model: LightningModule, batch: list[Tensor]) -> None:
            if not batch:
                model.body[0].weight.data[0] = math.nan  # type: ignore[index, union-attr, call-overload]

        alarms: list[Alarm] = []
        run_with(tmp_path, DriftCallback(samples=samples(24), on_alarm=alarms.append), spoil)
        assert alarms[0].epoch == 20
        assert alarms[0].exceeded[0].remark == "weights that are not finite"

    def test_shuffled_labels_are_seen_by_the_losses_and_learning_rates_are_known(self, tmp_path: Path) -> None:
        def swap(model: LightningModule, batch: list[Tensor]) -> None:
            if batch:
                batch[1].copy_((batch[1] + 1) % 3)

        alarms: list[Alarm] = []
        callback = DriftCallback(samples=samples(24), on_alarm=alarms.append)
        run_with(tmp_path, callback, swap)
        assert [alarm.epoch for alarm in alarms] == [20]
        assert {TRAINING_LOSS, SAMPLES_LOSS} & {one.tag for one in alarms[0].exceeded}
        past = callback.views[0].state_dict()["watch"]["past"]
        assert past[LEARNING_RATE] == pytest.approx([0.01] * 6)
        assert len(past[TRAINING_LOSS]) == 6


class TestReport:
    def alarming(self, **options: Any) -> Any:
        drift, model = Drift(alarm={"drift/flips": 0.1}, warm_up=1, **options), small_cnn()
        for epoch in range(3):
            quiet = look([drift], model, samples(), epoch=epoch)
            assert "alarms" not in quiet.notes
        with torch.no_grad():
            model.head.bias[2] += 100
        return look([drift], model, samples(), epoch=3)

    def test_the_note_names_number_sample_classes_and_epoch(self) -> None:
        seen: list[Alarm] = []
        found = self.alarming(on_alarm=seen.append)
        (alarm,) = seen
        assert alarm.epoch == 3
        assert alarm.exceeded[0].tag == "drift/flips"
        text = found.notes["alarms"]
        assert "drift alarm in epoch 3: drift/flips is" in text
        row = next(line for line in text.splitlines() if line.startswith(f"| {alarm.samples[0]} |"))
        assert "bottom 100%" in row
        assert "drift/grad_cam of body" in text
        assert found.remarks == [alarm.sentence]
        assert found.pictures["alarms"].shape[2] == 3

    def test_the_samples_are_those_that_flipped(self) -> None:
        seen: list[Alarm] = []
        judged = samples()
        self.alarming(on_alarm=seen.append)
        before = small_cnn().eval()(judged.images).argmax(dim=1)
        assert all(before[index] != 2 for index in seen[0].samples)

    def test_without_maps_there_is_a_note_and_no_picture(self) -> None:
        found = self.alarming(maps=[])
        assert list(found.notes) == ["drift_moved_most", "alarms"]
        assert not found.pictures

    @pytest.mark.slow
    def test_in_training_it_is_said_once_and_written(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import logging

        monkeypatch.setattr(logging.getLogger("lightning.pytorch"), "propagate", True)
        callback = DriftCallback(samples=samples(), alarm={"drift/filters": 0.0})
        with caplog.at_level(logging.INFO, logger="lightning.pytorch"):
            fit(tmp_path, [callback], max_epochs=7)
        said = [record.message for record in caplog.records if "drift alarm" in record.message]
        assert [sentence.partition(":")[0] for sentence in said] == ["drift alarm in epoch 5", "drift alarm in epoch 6"]
        found = events(tmp_path)
        assert "alarms/text_summary" in found.Tags()["tensors"]
        assert len(found.Images("cnnviz/7 change/alarms")) == 2
