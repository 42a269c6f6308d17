from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_cnnviz import FixedSamples, data_drift
from lightning_cnnviz.samples import Truth
from tests.helpers.training import sha, stripes
from tests.test_compare import rows_tell

NAMES = ["top", "middle", "bottom"]


def two_halves() -> tuple[Tensor, Tensor]:
    """Images of the same source: 60 and 60, as many of each class."""
    images = stripes(120).tensors[0]
    return images[:60], images[60:]


def test_data_of_the_same_source_do_not_drift() -> None:
    before, now = two_halves()
    found = data_drift(rows_tell(), before, now)
    assert not found.drifted
    assert found.p_value > 0.05
    assert [round(row.predicted_now, 6) for row in found.classes] == [pytest.approx(1 / 3, abs=1e-6)] * 3
    assert data_drift(rows_tell(), before, before).p_value == 1


def test_other_shares_of_the_classes_are_seen_and_named() -> None:
    before, now = two_halves()
    labels = torch.arange(120)[60:] % 3
    judged = FixedSamples(now[labels != 0], class_names=NAMES)
    found = data_drift(rows_tell(), before, judged)
    assert found.drifted
    table = {row.name: row for row in found.classes}
    assert table["top"].predicted_before == pytest.approx(1 / 3)
    assert table["top"].predicted_now == 0
    assert table["top"].statistic >= 1 / 3 - 1e-6  # a third of the old ones is surely on top
    assert min(table, key=lambda name: table[name].p_value) == "top"
    assert found.notes["classes"].splitlines()[2].startswith("| top | 33.3% | 0.0% |")


def test_what_answers_do_not_show_features_do() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d((8, 1)), nn.Flatten(), nn.Linear(16, 3))
    with torch.no_grad():
        model[4].weight.zero_()  # the same answer for all
        model[0].weight.fill_(1)
    before, now = two_halves()
    found = data_drift(model, before, now + 0.5)
    assert found.scalars["data_drift/probabilities_p"] == 1
    assert found.scalars["data_drift/features_p"] <= 0.001
    assert found.p_value == pytest.approx(2 * found.scalars["data_drift/features_p"])  # Holm, of two tests
    assert found.drifted


def test_the_furthest_are_named_and_drawn() -> None:
    before, now = two_halves()
    now = now.clone()
    now[7] += 30
    now[31] += 60
    found = data_drift(rows_tell(), before, now)
    assert found.furthest[:2] == (31, 7)
    assert found.distances[0] > found.distances[1] > 10 > found.distances[2]
    assert len(found.furthest) == 8
    assert found.pictures["furthest"].shape[2] == 3


def test_a_rarer_alarm_needs_more() -> None:
    before, now = two_halves()
    labels = torch.arange(120)[60:] % 3
    shifted = torch.cat([now[labels != 0], now[labels == 0][:6]])
    found = data_drift(rows_tell(), before, shifted, false_alarms=0.5)
    assert 1e-4 < found.p_value <= 0.5
    assert found.drifted
    assert not data_drift(rows_tell(), before, shifted, false_alarms=1e-4).drifted


def test_the_model_is_left_as_it_was() -> None:
    model = rows_tell().train()
    before = sha(model)
    data_drift(model, *two_halves())
    assert sha(model) == before
    assert model.training


def test_values_are_compared_as_classes_are() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1))
    before, now = two_halves()
    truth = Truth("values", before.mean(dim=(1, 2, 3))[:, None])  # by which the output is read as values
    found = data_drift(model, FixedSamples(before, truth=truth), now + 3)
    assert [row.name for row in found.classes] == ["value 0"]
    assert found.classes[0].statistic == 1
    assert found.drifted
    assert not data_drift(model, FixedSamples(before, truth=truth), now).drifted


def test_a_report(tmp_path: Path) -> None:
    before, now = two_halves()
    found = data_drift(rows_tell(), before, FixedSamples(now * 0.1, class_names=["<b>", "b", "c"]))
    found.write_report(tmp_path / "drift.html")
    found.write_report(tmp_path / "drift.json")
    page = (tmp_path / "drift.html").read_text()
    assert "<h1>The data have drifted</h1>" in page
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    data = json.loads((tmp_path / "drift.json").read_text())
    assert data["drifted"] is True
    assert data["samples"] == [60, 60]
    assert [row["name"] for row in data["classes"]] == ["<b>", "b", "c"]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"false_alarms": 0}, ValueError, "false_alarms must be at least 0.0001 and at most 0.5, got 0"),
        ({"reference": torch.rand(19, 1, 8, 8)}, ValueError, "reference must be at least 20 images, got 19"),
        ({"current": torch.rand(30, 1, 9, 8)}, ValueError, r"current must be images of \(1, 8, 8\)"),
        ({"current": [1]}, TypeError, "current must be FixedSamples or a tensor of images .*got .1."),
        ({"layer": "nothing"}, ValueError, "nothing"),
        ({"target": 7}, ValueError, "7"),
    ],
)
def test_errors_name_the_argument(change: dict[str, Any], error: type[Exception], message: str) -> None:
    before, now = two_halves()
    arguments: dict[str, Any] = {"model": rows_tell(), "reference": before, "current": now, **change}
    with pytest.raises(error, match=message):
        data_drift(**arguments)


def test_without_scipy_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ImportError, match=r"pip install 'lightning-cnnviz\[stats\]'"):
        data_drift(rows_tell(), *two_halves())


def test_names_of_the_reference_name_the_classes_of_data_without() -> None:
    before, now = two_halves()
    found = data_drift(rows_tell(), FixedSamples(before, class_names=NAMES, mean=[0.0], std=[1.0]), now)
    assert [row.name for row in found.classes] == NAMES
    named = FixedSamples(now, class_names=["a", "b", "c"])
    assert [row.name for row in data_drift(rows_tell(), before, named).classes] == ["a", "b", "c"]
