"""What a flip is of each kind of answer: a class, any of several labels, a share of the places of a mask."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_cnnviz import Drift, FixedSamples, Flips, Timeline, explain
from lightning_cnnviz.drift.alarms import Alarm
from lightning_cnnviz.drift.flips import masks_before_and_after
from lightning_cnnviz.drift.scope import Scope
from lightning_cnnviz.drift.snapshots import Snapshot, take
from lightning_cnnviz.model.evidence import Evidence, Request
from lightning_cnnviz.views import View
from tests.helpers.answers import Says
from tests.helpers.pictures import sheets

IMAGES = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def masks_of(classes: Tensor) -> Tensor:
    """Scores (N, 3, 8, 8) that decide on classes (N, 8, 8)."""
    return nn.functional.one_hot(classes, 3).permute(0, 3, 1, 2) * 5.0


CLASSES = torch.zeros(8, 8, 8).long()
CLASSES[:, :4] = 1
OTHERS = CLASSES.clone()
OTHERS[2, 0], OTHERS[5, :2], OTHERS[5, 7, :4] = 2, 0, 2


def changed_by(before: Tensor, now: Tensor, **options: Any) -> tuple[float, list[str]]:
    """The number of drift, and what `Flips` says in its title."""
    model, drift, flips = Says(before), Drift(), Flips()
    titles: list[str] = []
    for answers in (before, now):
        model.say(answers)
        found = explain(model, FixedSamples(IMAGES), [drift, flips], **options)
        titles += [tag for tag in found.pictures if tag == "flips"]
    return found.scalars["drift_layers/flips/previous"], titles


def test_of_classes_the_share_of_samples() -> None:
    before = torch.eye(3)[torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])]
    assert changed_by(before, before) == (0.0, [])
    now = before.clone()
    now[:2] = torch.tensor([0.0, 0.0, 9.0])
    assert changed_by(before, now) == (0.25, ["flips"])


def test_predictions_of_independent_labels_move_by_each_label_on_its_own() -> None:
    """All probabilities from 1/2 to 3/4: their proportions stay, and every label has moved."""
    model, drift = Says(torch.zeros(8, 2)), Drift()
    found = {}
    for answers in (torch.zeros(8, 2), torch.full((8, 2), 3.0).log()):
        model.say(answers)
        found = explain(model, FixedSamples(IMAGES), [drift], output="multilabel").scalars
    p, q, middle = torch.tensor([[0.5, 0.5], [0.75, 0.25], [0.625, 0.375]], dtype=torch.float64)
    divergence = (p * (p / middle).log2()).sum() / 2 + (q * (q / middle).log2()).sum() / 2
    assert found["drift_layers/predictions/previous"] == pytest.approx(float(divergence.sqrt()), abs=1e-6)


@pytest.mark.parametrize("labels", [None, [0, 1, 2, 0, 1, 2, 0, 1]])
def test_what_a_sample_was_taken_for_before_and_now_comes_first(labels: list[int] | None) -> None:
    before = torch.eye(3)[torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])]
    now = before.clone()
    now[:3] = torch.tensor([0.0, 0.0, 9.0])
    model, flips = Says(before), Flips(rows=1)
    samples = FixedSamples(IMAGES, None if labels is None else torch.tensor(labels), class_names=["ant", "bee", "cow"])
    assert sheets(model, samples, flips) == []
    model.say(now)
    [sheet] = sheets(model, samples, flips)
    assert sheet.title == "2 of 8 samples changed their class, 1 shown"
    [row] = sheet.rows
    assert row.caption is not None
    expected = ("ant → cow", "sample 0") if labels is None else ("ant → cow", "true ant", "sample 0")
    assert row.caption.lines == expected
    assert row.caption.correct is (None if labels is None else False)


def test_of_independent_labels_the_share_of_samples_with_any_other_label() -> None:
    before = torch.tensor([[2.0, 1.0, -1.0]]).repeat(8, 1)
    now = before.clone()
    now[3, 1] = -1.0  # the most probable label stays
    now[4, 0] = 1.5
    assert changed_by(before, now, output="multilabel") == (0.125, ["flips"])


def test_of_masks_the_share_of_places() -> None:
    share, titles = changed_by(masks_of(CLASSES), masks_of(OTHERS))
    assert share == pytest.approx((8 + 16 + 4) / (8 * 64))
    assert titles == ["flips"]
    assert changed_by(masks_of(CLASSES), masks_of(CLASSES) * 2) == (0.0, [])


@pytest.mark.parametrize(
    ("head", "output"),
    [
        (nn.Flatten(), "logits"),
        (nn.Flatten(), "multilabel"),
        (nn.Flatten(), "regression"),
        (nn.ConvTranspose2d(2, 3, 6), "auto"),  # masks
        (nn.ConvTranspose2d(2, 1, 6), "auto"),  # a reconstruction
    ],
)
def test_an_alarm_is_raised_whatever_the_model_answers(head: nn.Module, output: Any) -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveMaxPool2d(3), head)
    alarms: list[Alarm] = []
    drift = Drift(alarm={"drift/filters": 0.5}, on_alarm=alarms.append, warm_up=1)
    for _ in range(3):
        assert "alarms" not in explain(model, FixedSamples(IMAGES), [drift], output=output).notes
    with torch.no_grad():
        model[0].weight *= -1  # type: ignore[operator]
    found = explain(model, FixedSamples(IMAGES), [drift], output=output)
    assert "drift/filters is" in found.notes["alarms"]
    assert [one.tag for one in alarms[0].exceeded] == ["drift/filters"]


class Takes(View):
    """Keeps evidence and snapshot."""

    def request(self, layout: Any, samples: FixedSamples) -> Request:
        return Request()

    def draw(self, evidence: Evidence) -> Any:
        self.evidence, self.snapshot = evidence, take(evidence, Scope())
        yield from ()


def taken(answers: Tensor, **options: Any) -> tuple[Evidence, Snapshot]:
    view = Takes()
    explain(Says(answers), FixedSamples(IMAGES, class_names=["background", "a", "b"]), [view], **options)
    return view.evidence, view.snapshot


def test_masks_before_and_after_with_what_changed() -> None:
    (_, before), (evidence, now) = taken(masks_of(CLASSES)), taken(masks_of(OTHERS))
    figure: Any = masks_before_and_after(evidence, before, now, [5, 2], "epoch 3", title="Title")
    earlier, later, changed = figure.columns
    hidden = OTHERS.where(OTHERS != 0, -1)
    assert (later.values == hidden[[5, 2]].numpy()).all()
    assert (earlier.values == CLASSES.where(CLASSES != 0, -1)[[5, 2]].numpy()).all()
    assert changed.values.sum(axis=(1, 2, 3)).tolist() == [20, 8]
    assert changed.labels == (("31%",), ("13%",))
    assert (earlier.heading, later.heading) == ("epoch 3", "after")
    assert figure.legend == (("a", 1), ("b", 2))
    assert figure.draw().shape[2] == 3


def test_of_large_masks_only_some_places_are_kept() -> None:
    large = nn.functional.interpolate(masks_of(CLASSES), scale_factor=64)
    _, snapshot = taken(large)
    assert snapshot.decisions is not None
    assert snapshot.decisions.dtype == torch.uint8
    assert 2**16 <= snapshot.decisions.numel() <= 2**18
    assert float((snapshot.decisions == 1).float().mean()) == pytest.approx(0.5, abs=0.01)


def test_looks_of_older_versions_are_compared_by_their_classes() -> None:
    before = torch.eye(3)[torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])]
    _, snapshot = taken(before)
    state = {name: value for name, value in snapshot.state_dict().items() if name != "decisions"}
    _, now = taken(before.flip(1))
    assert now.changed(Snapshot(**state)).tolist() == [1, 0, 1, 1, 0, 1, 1, 0]


def test_the_strip_of_a_run_names_the_class_that_is_no_background() -> None:
    view = Timeline()
    model = Says(masks_of(CLASSES))
    explain(model, FixedSamples(IMAGES), [view])
    assert view._frames[-1].classes.tolist() == [1] * 8
    assert view._frames[-1].probabilities.tolist() == [0.5] * 8
