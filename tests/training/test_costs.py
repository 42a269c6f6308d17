from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback

from lightning_cnnviz import CNNVisualizer, Filters, Predictions, PrototypeCallback
from lightning_cnnviz.model.evidence import Evidence, Request
from lightning_cnnviz.output.artifacts import Artifact
from lightning_cnnviz.training import session
from lightning_cnnviz.training.costs import Costs
from tests.helpers.training import SmallCNN, events, fit, image_steps, loader, trainer


class Clock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_look_is_split_into_what_views_cause_and_what_they_share() -> None:
    clock = Clock()
    costs = Costs(clock)
    request = costs.timed("slow", Request(procedures={"key": lambda model: setattr(clock, "now", clock.now + 4)}))
    with costs.look():
        with costs.stage("pass"):
            clock.now += 2
            request.procedures["key"](None)  # type: ignore[arg-type]
        with costs.stage("draw", "slow"):
            clock.now += 1
        with costs.stage("draw", "quick"):
            clock.now += 0.5
    assert costs.views == {"slow": 5.0, "quick": 0.5}
    assert costs.shared == 2.0
    assert costs.stages == {"pass": 6.0, "draw": 1.5}
    assert costs.spent == 7.5


def test_views_are_dropped_from_the_end_until_the_rest_fits() -> None:
    clock = Clock()
    costs = Costs(clock)
    with costs.look():
        clock.now += 1  # shared
        for view, seconds in (("first", 1.0), ("second", 2.0), ("third", 4.0)):
            with costs.stage("draw", view):
                clock.now += seconds
    views = ["first", "second", "third"]
    clock.now += 72  # 80 seconds since the start, 8 of them spent
    assert costs.overhead == pytest.approx(0.1)
    assert costs.affordable(views, share=0.2) == views  # 16 allowed: exactly the 8 spent and the next 8
    assert costs.affordable(views, share=0.19) == ["first", "second"]
    assert costs.affordable(views, share=0.1125) == []  # not even the shared pass: 9 allowed, 8 spent, 1 shared
    assert costs.affordable(["unknown"], share=0.1126) == ["unknown"]


def test_a_view_that_was_left_out_keeps_its_last_cost() -> None:
    clock = Clock()
    costs = Costs(clock)
    with costs.look(), costs.stage("draw", "slow"):
        clock.now += 9
    with costs.look(), costs.stage("draw", "quick"):
        clock.now += 1
    assert costs.views == {"slow": 9.0, "quick": 1.0}


def test_every_look_is_logged_with_its_cost(tmp_path: Path) -> None:
    fit(tmp_path, [CNNVisualizer([Predictions(), Filters()]), PrototypeCallback(steps=2)])
    scalars = events(tmp_path)
    seconds, overhead = scalars.Scalars("visualizer/seconds"), scalars.Scalars("visualizer/overhead")
    assert [scalar.step for scalar in seconds] == [scalar.step for scalar in overhead] == [0, 5, 11]
    assert all(0 < scalar.value < 1 for scalar in overhead)
    stages = [
        [scalar.value for scalar in scalars.Scalars(f"visualizer/seconds_{name}")] for name in ("pass", "draw", "write")
    ]
    assert [sum(values) for values in zip(*stages, strict=True)] == pytest.approx([scalar.value for scalar in seconds])


class Batches(Callback):
    """Each batch takes a second, each drawing of the predictions a tenth, and nothing else takes any time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = self.clock = Clock()
        monkeypatch.setattr(session, "Costs", lambda: Costs(clock))

        class Slow(Predictions):
            def draw(self, evidence: Evidence) -> Iterator[Artifact]:
                clock.now += 0.1
                return super().draw(evidence)

        self.view = Slow()

    def on_train_batch_end(self, *arguments: Any) -> None:
        self.clock.now += 1


@pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:.*LeafSpec")
def test_a_budget_leaves_out_looks_but_never_the_first_and_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = Batches(monkeypatch)
    callback = CNNVisualizer([batches.view, Filters()], max_overhead=0.013)
    with pytest.warns(UserWarning, match="CNNVisualizer: max_overhead=0.013: leaves out") as said:
        trainer(tmp_path, [callback, batches], max_epochs=5).fit(SmallCNN(), loader(), loader())
    assert len([warning for warning in said if "max_overhead" in str(warning.message)]) == 1
    # Three looks cost 0.3 seconds: more than 1.3 % of the 12 and the 18 of two and three epochs, less than of 24.
    assert image_steps(tmp_path) == dict.fromkeys(("predictions", "filters/stem.0"), [0, 5, 23, 29])


def test_a_generous_budget_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = Batches(monkeypatch)
    fit(tmp_path, [CNNVisualizer([batches.view], max_overhead=0.5), batches], max_epochs=3)
    assert image_steps(tmp_path)["predictions"] == [0, 5, 11, 17]


@pytest.mark.parametrize("share", [0.0, -0.1, 1.5])
def test_a_share_is_between_0_and_1(share: float) -> None:
    with pytest.raises(MisconfigurationException, match="max_overhead must be above 0 and at most 1"):
        CNNVisualizer(max_overhead=share)
