from __future__ import annotations

import pytest
import torch
from torch import nn

from lightning_cnnviz import compare
from tests.drift.test_drift import samples, small_cnn
from tests.helpers.training import SmallCNN, sha


def test_a_model_is_zero_away_from_itself() -> None:
    found = compare(small_cnn(1), small_cnn(1), samples())
    assert {value for tag, value in found.scalars.items() if tag.startswith("drift/")} == {0.0}


def test_is_symmetric_where_the_numbers_are() -> None:
    there, back = compare(small_cnn(1), small_cnn(2), samples()), compare(small_cnn(2), small_cnn(1), samples())
    for tag in ("drift_layers/features/body/first", "drift/grad_cam", "drift/predictions", "drift/flips"):
        assert there.scalars[tag] == pytest.approx(back.scalars[tag], abs=1e-6)
        assert there.scalars[tag] > 0


def test_both_models_are_left_as_they_were() -> None:
    first, second = small_cnn(1).train(), small_cnn(2).eval()
    before = sha(first), sha(second)
    compare(first, second, samples())
    assert (sha(first), sha(second)) == before
    assert first.training
    assert not second.training


def test_every_sample_is_drawn_those_that_flipped_first() -> None:
    assert compare(small_cnn(1), small_cnn(1), samples()).pictures["flips"].shape[2] == 3


def test_more_samples_than_a_run_would_use_all_count() -> None:
    model = small_cnn(1)
    changed = small_cnn(1)
    with torch.no_grad():
        changed.head.bias[2] += 100
    judged = samples(99)
    share = (model.eval()(judged.images).argmax(dim=1) != 2).float().mean()
    assert compare(model, changed, judged).scalars["drift/flips"] == pytest.approx(float(share))


def test_layers_that_only_one_model_has_are_left_out() -> None:
    other = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3))
    numbers = compare(small_cnn(), other, samples()).scalars
    assert not any(tag.startswith("drift/features") for tag in numbers)
    assert "drift_layers/predictions/first" in numbers


def test_different_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="model_b must have the 3 classes of model_a, got 7"):
        compare(SmallCNN(), SmallCNN(classes=7), samples())


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="samples must be at least 8, got 7"):
        compare(SmallCNN(), SmallCNN(), samples(7))
