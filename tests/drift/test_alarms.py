from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lightning_cnnviz import Drift, DriftCallback
from lightning_cnnviz.drift.alarms import Alarm, AlarmMonitor, Exceeded, learnt_limit
from tests.drift.test_drift import look, samples, small_cnn
from tests.helpers.training import events, fit


def watched(rule: Any, values: list[float], warm_up: int = 3) -> list[int]:
    """The looks at which a series of values alarms."""
    watch = AlarmMonitor(rule, warm_up)
    return [index for index, value in enumerate(values) if watch.check({"drift": value}, ["drift"])]


class TestLimits:
    def test_by_hand(self) -> None:
        # median 0.4, absolute deviations 0, 0.1, 0.1, 0.2, 0.2: median 0.1
        assert learnt_limit([0.2, 0.3, 0.4, 0.5, 0.6]) == pytest.approx(0.4 + 6 * 1.4826 * 0.1)

    def test_a_quiet_history_still_leaves_room(self) -> None:
        assert learnt_limit([0.0, 0.0, 0.0]) == pytest.approx(0.12)
        assert learnt_limit([0.5, 0.5, 0.5]) == pytest.approx(0.5 + 6 * 0.15 * 0.5)

    def test_one_outlier_does_not_move_it(self) -> None:
        assert learnt_limit([0.1, 0.1, 0.9, 0.1, 0.1]) == learnt_limit([0.1] * 5)


class TestWatch:
    def test_a_jump_alarms_and_what_led_to_it_does_not(self) -> None:
        assert watched("auto", [0.9, 0.5, 0.3, 0.2, 0.15, *[0.1] * 6, 0.8, 0.1]) == [11]

    def test_a_fall_does_not_alarm(self) -> None:
        assert watched("auto", [0.5, 0.5, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0]) == []

    def test_nothing_alarms_in_the_first_looks(self) -> None:
        assert watched("auto", [0.0, 0.0, 1.0, 0.0, 0.0, 1.0], warm_up=3) == [5]
        assert watched({"drift": 0.5}, [1.0, 1.0, 1.0, 1.0], warm_up=3) == [3]

    def test_a_limit_is_passed_only_from_above(self) -> None:
        assert watched({"drift": 0.5}, [0.0, 0.5, 0.51, 0.4, 0.6], warm_up=1) == [2, 4]

    def test_no_rule_no_alarm(self) -> None:
        assert watched(None, [0.0, 0.0, 0.0, 0.0, 1.0]) == []

    def test_the_one_furthest_above_comes_first(self) -> None:
        watch = AlarmMonitor({"a": 0.1, "b": 0.1}, 1)
        watch.check({"a": 0, "b": 0}, [])
        assert watch.check({"a": 0.2, "b": 0.9}, []) == [Exceeded("b", 0.9, 0.1), Exceeded("a", 0.2, 0.1)]

    def test_noise_does_not_alarm(self) -> None:
        noise = np.random.default_rng(0).gamma(20, 0.01, size=(200, 30))
        alarms = sum(len(watched("auto", list(row))) for row in noise)
        assert alarms <= 10  # of 5,400 looks at values that scatter by 22%

    def test_goes_on_from_its_state(self) -> None:
        watch = AlarmMonitor("auto", 3)
        for value in (0.1, 0.1, 0.1, 0.1):
            watch.check({"drift": value}, ["drift"])
        resumed = AlarmMonitor("auto", 3)
        resumed.load_state_dict(watch.state_dict())
        assert resumed.check({"drift": 0.9}, ["drift"]) == watch.check({"drift": 0.9}, ["drift"]) != []

    def test_an_unknown_tag_is_named(self) -> None:
        with pytest.raises(ValueError, match=r"\['drift/typo'\], the numbers are \['drift/flips'\]"):
            AlarmMonitor({"drift/typo": 1.0}, 1).check({"drift/flips": 0.0}, [])

    @pytest.mark.parametrize("rule", ["always", 0.5, ["drift"]])
    def test_other_rules_are_refused(self, rule: Any) -> None:
        with pytest.raises(TypeError, match="mapping from tags to limits, 'auto' or None"):
            AlarmMonitor(rule, 1)


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
        assert list(found.notes) == ["alarms"]
        assert not found.pictures

    def test_in_training_it_is_said_once_and_written(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import logging

        monkeypatch.setattr(logging.getLogger("lightning.pytorch"), "propagate", True)
        callback = DriftCallback(samples=samples(), alarm={"drift/filters": 0.0})
        with caplog.at_level(logging.INFO):
            fit(tmp_path, [callback], max_epochs=7)
        said = [record.message for record in caplog.records if "drift alarm" in record.message]
        assert [sentence.partition(":")[0] for sentence in said] == ["drift alarm in epoch 5", "drift alarm in epoch 6"]
        found = events(tmp_path)
        assert "alarms/text_summary" in found.Tags()["tensors"]
        assert len(found.Images("alarms")) == 2
