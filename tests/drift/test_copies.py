from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn

from lightning_cnnviz import CNNVisualizer, Drift, DriftCallback, FixedSamples, Predictions
from lightning_cnnviz.drift.alarms import Alarm
from lightning_cnnviz.samples import Mark
from tests.helpers.drift import look, samples, small_cnn
from tests.helpers.training import events, fit, sha
from tests.test_compare import rows_tell


def with_copies(**options: Any) -> FixedSamples:
    """Twelve samples, four of each class; in a copy the row of the last class is bright in all of them."""
    judged = samples(**options)
    lit = judged.images.clone()
    lit[:, :, 5] += 3
    return judged.with_perturbed(lit=lit, same=judged.images)


def test_the_share_that_another_answer_is_given_to() -> None:
    found = look([Drift()], rows_tell(), with_copies())
    assert found.scalars["shortcuts/flips_lit"] == pytest.approx(8 / 12)  # those of the last class stay
    assert found.scalars["shortcuts/flips_same"] == 0
    assert look([Drift()], rows_tell(always=2), with_copies()).scalars["shortcuts/flips_lit"] == 0


def test_only_the_samples_that_are_compared_count() -> None:
    found = look([Drift(samples=8)], rows_tell(), with_copies())  # 0, 1, 2, 0, 1, 2, 0, 1
    assert found.scalars["shortcuts/flips_lit"] == pytest.approx(6 / 8)


def test_what_flips_is_drawn_beside_its_copies() -> None:
    assert "flipped_copies" in look([Drift()], rows_tell(), with_copies()).pictures
    assert "flipped_copies" not in look([Drift()], rows_tell(always=2), with_copies()).pictures
    assert "flipped_copies" not in look([Drift()], rows_tell(), samples()).pictures


def test_a_limit_alarms_and_names_samples_that_flipped() -> None:
    alarms: list[Alarm] = []
    drift = Drift(alarm={"shortcuts/flips_lit": 0.5}, on_alarm=alarms.append, warm_up=1)
    model, judged = rows_tell(always=2), with_copies()
    for epoch in range(3):
        found = look([drift], model, judged, epoch)
        assert not alarms
    model = rows_tell()
    found = look([drift], model, judged, 3)
    assert judged.labels is not None
    assert [alarm.exceeded[0].tag for alarm in alarms] == ["shortcuts/flips_lit"]
    assert alarms[0].samples == (0, 1, 3, 4)  # the first of those that flip, sample 2 does not
    assert "shortcuts/flips_lit is 0.667, limit 0.5" in found.remarks[0]


def test_a_limit_for_a_copy_that_does_not_exist_is_refused_before_training(tmp_path: Path) -> None:
    callback = DriftCallback(samples=with_copies(), alarm={"shortcuts/flips_light": 0.5})
    with pytest.raises(MisconfigurationException, match=r"shortcuts/flips_light.*no such number.*shortcuts/flips_lit"):
        fit(tmp_path, [callback])


def test_a_slash_in_a_name_makes_no_other_tag_its_beginning() -> None:
    judged = samples()
    judged = judged.with_perturbed(**{"a/b": judged.images, "a": judged.images})
    numbers = look([Drift()], small_cnn(), judged).scalars
    assert {"shortcuts/flips_a_b", "shortcuts/flips_a"} <= set(numbers)


def test_a_model_without_classes_is_asked_nothing() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1))
    assert not [tag for tag in look([Drift()], model, with_copies()).scalars if "flips" in tag]


def test_in_training_it_can_be_monitored_and_changes_no_bit(tmp_path: Path) -> None:
    judged = samples().with_perturbed(mark=Mark(size=0.5))
    best = ModelCheckpoint(tmp_path, monitor="shortcuts/flips_mark", mode="max")
    callback = DriftCallback(samples=judged)
    bare = sha(fit(tmp_path / "a", []))
    assert sha(fit(tmp_path / "b", [callback, best], enable_checkpointing=True)) == bare
    values = [event.value for event in events(tmp_path / "b").Scalars("shortcuts/flips_mark")]
    assert len(values) == 2
    assert best.best_model_score is not None
    assert float(best.best_model_score) == pytest.approx(max(values))


def test_beside_a_callback_with_the_same_images_and_no_copies(tmp_path: Path) -> None:
    judged = samples()
    plain = CNNVisualizer([Predictions()], samples=judged)
    with_mark = DriftCallback(samples=judged.with_perturbed(mark=Mark()), alarm={"shortcuts/flips_mark": 0.9})
    fit(tmp_path, [plain, with_mark])
    assert len(events(tmp_path).Scalars("shortcuts/flips_mark")) == 2
    assert plain.samples is not None
    assert not plain.samples.perturbed
