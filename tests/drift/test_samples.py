"""How many samples the numbers see, where they come from, and what they remember of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_cnnviz import (
    CNNVisualizer,
    Drift,
    DriftCallback,
    Evidence,
    FixedSamples,
    Flips,
    Predictions,
    Request,
    Timeline,
    View,
)
from lightning_cnnviz.look import run_views
from lightning_cnnviz.model.probe import Probe
from lightning_cnnviz.output.artifacts import Artifact
from lightning_cnnviz.samples import same_samples
from tests.helpers.drift import look, moved, samples, small_cnn, through_file
from tests.helpers.training import SmallCNN, events, fit, loader, stripes, trainer


def test_the_numbers_see_many_and_the_pictures_few(tmp_path: Path) -> None:
    seen: dict[str, FixedSamples] = {}

    class Recording(Predictions):
        def draw(self, evidence: Evidence) -> Iterator[Artifact]:
            seen[self.name] = evidence.samples
            return super().draw(evidence)

    class Among(Flips):
        def draw(self, evidence: Evidence) -> Iterator[Artifact]:
            seen[self.name] = evidence.samples
            return super().draw(evidence)

    alone = CNNVisualizer([Recording()])
    both = CNNVisualizer([Recording(), Drift(), Among()], tag_prefix="b/")
    run = trainer(tmp_path, [alone, both], num_sanity_val_steps=5)
    run.fit(SmallCNN(), loader(count=64), loader(count=300, batch_size=60))
    assert both.samples is not None
    assert len(both.samples) == len(seen["Among"]) == 256
    assert torch.equal(both.samples.images, stripes(300).tensors[0][:256])  # the classes come in turn
    assert len(seen["Recording"]) == both.show == 8
    assert seen["Recording"] is alone.samples  # one pass for both
    assert CNNVisualizer([Drift()], 4).show == 4
    assert events(tmp_path).Scalars("b/drift/features")


@pytest.mark.parametrize(("batches", "taken"), [(2, 120), (5, 256)])
def test_it_is_said_where_the_sanity_check_has_fewer_than_the_numbers_want(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    batches: int,
    taken: int,
) -> None:
    monkeypatch.setattr(logging.getLogger("lightning.pytorch"), "propagate", True)
    callback = DriftCallback()
    with caplog.at_level(logging.INFO, logger="lightning.pytorch"):
        run = trainer(tmp_path, [callback], num_sanity_val_steps=batches)
        run.fit(SmallCNN(), loader(count=24), loader(count=300, batch_size=60))
    (said,) = [record.message for record in caplog.records if "looks at" in record.message]
    more = ", those of the sanity check (num_sanity_val_steps=5 gives up to 256)" if taken < 256 else ""
    assert said.startswith(f"DriftCallback looks at {taken} samples{more}: Drift of")
    assert len(callback.samples or ()) == taken


def test_the_untrained_model_is_seen_on_fewer_samples_than_numbers_want(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    callback = CNNVisualizer([Drift(), Flips(changed_only=False)])
    with caplog.at_level(logging.INFO, logger="lightning.pytorch"):
        run = trainer(tmp_path, [callback], num_sanity_val_steps=2)
        run.fit(SmallCNN(), loader(), loader(count=96, batch_size=6))
    assert len(callback.samples or ()) == 12
    assert [one.step for one in events(tmp_path).Scalars("visualizer/seconds")] == [0, 5, 11]
    assert "num_sanity_val_steps=" in caplog.text, "how the numbers can have more"


def test_a_named_number_of_samples_is_taken_however_large_they_are(tmp_path: Path) -> None:
    named, given = DriftCallback(samples=40), DriftCallback(samples=samples(12), tag_prefix="given/")
    run = trainer(tmp_path, [named, given], num_sanity_val_steps=5)
    run.fit(SmallCNN(), loader(count=64), loader(count=300, batch_size=60))
    assert [len(one.samples or ()) for one in (named, given)] == [40, 12]


def test_classes_named_for_each_sample_leave_the_number_as_it_is(tmp_path: Path) -> None:
    callback = CNNVisualizer([Drift()], 9, target=[0, 1, 2] * 3)
    fit(tmp_path, [callback], num_sanity_val_steps=5)
    assert len(callback.samples or ()) == 9


def test_a_resumed_run_keeps_them(tmp_path: Path) -> None:
    first, resumed = DriftCallback(), DriftCallback()
    fit(tmp_path / "a", [first], num_sanity_val_steps=5)
    taken = first.samples
    resumed.load_state_dict(through_file(first.state_dict()))
    assert taken is not None
    assert resumed.samples is not None
    assert len(taken) == 20
    assert same_samples(taken, resumed.samples)


def test_where_time_is_short_the_pass_for_the_numbers_is_left_out_with_them() -> None:
    class Meter:
        charged: list[object] = []  # noqa: RUF012

        def stage(self, name: str, view: object = None) -> Any:
            self.charged += [view] if name == "pass" else []
            return nullcontext()

        def timed(self, view: object, request: Request) -> Request:
            return request

    drift, probe, judged, meter = Drift(), Probe(small_cnn()), samples(), Meter()
    layout = probe.survey(judged)
    for charged in (None, drift):
        run_views(probe, layout, judged, [drift], "predicted", charged=charged, meter=meter)
    assert meter.charged == [None, drift]


@pytest.mark.parametrize("count", [65, 300])
def test_more_samples_than_are_compared(count: int) -> None:
    views: list[View] = [Drift(samples=64), Timeline(), Flips()]
    for epoch in range(2):
        found = look(views, small_cnn(epoch), samples(count), epoch=epoch)
    assert {"timeline/grad_cam", "timeline/features"} <= set(found.pictures)
    assert 0 < found.scalars["drift/features"] <= 1


def test_another_number_than_remembered_starts_anew_and_says_so() -> None:
    views: list[View] = [Drift(), Timeline(), Flips()]
    look(views, small_cnn(1), samples(16), epoch=0)
    states = [through_file(view.state_dict()) for view in views]
    resumed: list[View] = [Drift(), Timeline(), Flips()]
    for view, state in zip(resumed, states, strict=True):
        view.load_state_dict(state)
    found = look(resumed, small_cnn(2), samples(20), epoch=1)
    assert moved(found) == dict.fromkeys(moved(found), 0.0)
    assert "16 samples and 3 classes, now there are 20 and 3" in found.notes["drift_remarks"]
    found = look(resumed, small_cnn(3), samples(20), epoch=2)
    assert found.scalars["drift_layers/features/body/first"] > 0
    assert "drift_remarks" not in found.notes


def test_few_samples_are_remarked_upon_once() -> None:
    drift = Drift()
    first, second = (look([drift], small_cnn(), samples(15)) for _ in range(2))
    assert first.remarks == ["drift of 15 samples is noisy: give at least 16"]
    assert not second.remarks
    assert not look([Drift()], small_cnn(), samples(16)).remarks
