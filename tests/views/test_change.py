from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightning_cnnviz import Change, CNNVisualizer, FixedSamples, explain
from lightning_cnnviz.model.evidence import Evidence
from lightning_cnnviz.output.artifacts import Artifact, Picture
from lightning_cnnviz.render import Maps, Sheet, SignedImages, Tiles
from tests.helpers.training import fit, image_steps, sha
from tests.views.test_grad_cam import COUNTING, MAP, WEIGHT, Hand


class Keeping(Change):
    """Keeps the figures that it draws."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._figures: dict[str, Any] = {}

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        for artifact in super().draw(evidence):
            if isinstance(artifact, Picture):
                self._figures[artifact.tag] = artifact.figure
            yield artifact


def looks(view: Change, factors: list[float]) -> list[dict[str, Tensor]]:
    """What it gives when the classifier, and with it Grad-CAM, is multiplied from look to look."""
    model, found = Hand(WEIGHT), []
    weight = torch.tensor(WEIGHT)
    for factor in factors:
        with torch.no_grad():
            model.fc.weight.copy_(factor * weight)
            model.conv.weight.fill_(factor)
        arrays = explain(model, FixedSamples(COUNTING), [view], target=0).arrays
        found.append({tag: values for tag, values in arrays.items() if tag.startswith("change")})
    return found


def test_since_the_previous_look_by_hand() -> None:
    # Maps of the layer grow with the factor, Grad-CAM with its square.
    first, second, third = looks(Change(layers="conv"), [1.0, 2.0, 2.0])
    assert not first
    assert second["change/grad_cam/conv"].equal(0.5 * (4 - 1) * MAP[None])
    assert second["change/feature_maps/conv"].equal(torch.stack([MAP, MAP])[None])
    assert second["change/filters/conv"].equal(torch.ones(2, 1, 3, 3))
    assert not any(values.any() for values in third.values())


def test_since_the_first_look() -> None:
    _, _, third = looks(Change("filters", "first", layers="conv"), [1.0, 2.0, 4.0])
    assert third["change_since_first/filters/conv"].equal(torch.full((2, 1, 3, 3), 3.0))
    assert set(third) == {"change_since_first/filters/conv"}


def test_scales_stay_when_values_fall() -> None:
    view = Keeping(layers="conv")
    looks(view, [2.0, 1.0])
    attention, features, filters = (
        view._figures[f"change/{tag}"] for tag in ("grad_cam/conv", "feature_maps/conv", "filters/conv")
    )
    assert isinstance(attention, Sheet)
    before, now, change = attention.columns
    assert all(isinstance(column, Maps) for column in attention.columns)
    assert [before.values.max(), now.values.max(), change.values.min()] == [1.0, 0.25, -0.75]
    assert [before.limits, now.limits, change.limits] == [(0.0, 1.0), (0.0, 1.0), (-1.0, 1.0)]
    assert features.columns[0].values.min() == -0.5
    assert filters.cells.limits == (-1.0, 1.0)
    looks_again = explain(Hand(WEIGHT), FixedSamples(COUNTING), [view], target=0)
    assert not looks_again.arrays["change/filters/conv"].any()
    assert view._figures["change/filters/conv"].cells.limits == (-1.0, 1.0), "the largest change so far"


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_filters_of_any_number_of_channels(channels: int) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    samples, view = FixedSamples(torch.rand(2, channels, 8, 8)), Keeping("filters")
    explain(model, samples, [view])
    with torch.no_grad():
        model[0].weight += 0.5
    change = explain(model, samples, [view]).arrays["change/filters/0"]
    torch.testing.assert_close(change, torch.full_like(change, 0.5))
    tiles = view._figures["change/filters/0"]
    assert isinstance(tiles, Tiles)
    if channels == 3:
        assert isinstance(tiles.cells, SignedImages)
    else:
        length = 0.5 * channels**0.5
        np.testing.assert_allclose(tiles.cells.values, length, rtol=1e-5)


def test_a_map_of_nothing_and_one_that_is_not_finite() -> None:
    view = Keeping(["grad_cam", "feature_maps"], layers="conv")
    looks(view, [0.0, 0.0])
    assert "all 0" in view._figures["change/grad_cam/conv"].summary
    looks(view, [torch.nan])
    assert "NaN" in view._figures["change/grad_cam/conv"].columns[2].summary()
    _, last = looks(view, [0.0, 1.0])
    assert last["change/grad_cam/conv"].equal(0.5 * MAP[None])


def test_it_goes_on_where_it_was() -> None:
    view, resumed = Change(layers="conv"), Keeping(layers="conv")
    looks(view, [4.0, 1.0])
    resumed.load_state_dict(view.state_dict())
    [found] = looks(resumed, [2.0])
    assert found["change/filters/conv"].equal(torch.ones(2, 1, 3, 3))
    assert resumed._figures["change/filters/conv"].cells.limits == (-3.0, 3.0)
    assert resumed._figures["change/grad_cam/conv"].columns[0].values.max() == 1 / 16


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"of": ["cam"]}, "of='cam'"),
        ({"of": []}, "of must be at least one of"),
        ({"since": "epoch 3"}, "since='epoch 3'"),
        ({"channels": 0}, "channels must be"),
    ],
)
def test_arguments_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Change(**options)


@pytest.mark.slow
def test_in_training(tmp_path: Path) -> None:
    views = [Change(), Change(since="first")]
    model = fit(tmp_path / "with", [CNNVisualizer(views, on_error="raise")])
    assert sha(model) == sha(fit(tmp_path / "without", []))
    kinds = ("grad_cam/body", "feature_maps/body", "filters/stem.0")
    expected = {f"{first}/{kind}": [5, 11] for first in ("change", "change_since_first") for kind in kinds}
    assert image_steps(tmp_path / "with") == expected
