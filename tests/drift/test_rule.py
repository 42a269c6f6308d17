"""What the automatic rule takes for a rise, and how far it must go."""

from __future__ import annotations

import math

import pytest

from lightning_cnnviz import Drift
from lightning_cnnviz.drift.rule import LEARNING_RATE, SAMPLES_LOSS, TRAINING_LOSS, rises
from lightning_cnnviz.drift.thresholds import THRESHOLDS, threshold
from tests.helpers.drift import FEATURES, FILTERS


def rise(past: dict[str, list[float]], now: dict[str, float], tag: str) -> float | None:
    return next((one.size for one in rises(past, now) if one.tag == tag), None)


def test_by_hand() -> None:
    # The largest of the last four looks is 0.02; 0.003 is the floor of features, 0.75 their unit.
    past = {FEATURES: [0.9, 0.01, 0.02, 0.01, 0.01]}
    assert rise(past, {FEATURES: 0.2}, FEATURES) == pytest.approx(math.log(0.203 / 0.023) / 0.75)


def test_the_limit_is_the_value_that_rises_so_far() -> None:
    past = {FEATURES: [0.02], SAMPLES_LOSS: [0.4], FILTERS: [0.4]}
    for one in rises(past, {FEATURES: 0.2, SAMPLES_LOSS: 0.5, FILTERS: 0.6}):
        assert one.limit(one.size) == pytest.approx(one.value)


def test_a_higher_learning_rate_explains_filters_in_full_and_features_by_half() -> None:
    past = {FEATURES: [0.1], FILTERS: [0.1], LEARNING_RATE: [0.01]}
    now = {FEATURES: 0.1, FILTERS: 0.1, LEARNING_RATE: 0.04}
    sizes = [one.size for one in rises(past, now) if one.unit]
    assert sorted(sizes) == pytest.approx([math.log(0.105 / (0.105 * 4)) / 0.6, math.log(0.103 / (0.103 * 2)) / 0.75])


def test_while_the_samples_are_learnt_what_moves_is_learning() -> None:
    past = {FEATURES: [0.01], SAMPLES_LOSS: [1.0]}
    assert rise(past, {FEATURES: 0.5, SAMPLES_LOSS: 0.96}, FEATURES) is not None
    assert rise(past, {FEATURES: 0.5, SAMPLES_LOSS: 0.94}, FEATURES) is None


def test_new_weights_count_also_while_the_samples_are_learnt() -> None:
    past = {FILTERS: [0.05, 0.1], SAMPLES_LOSS: [1.0]}
    found = rises(past, {FILTERS: 1.3, SAMPLES_LOSS: 0.5})[0]
    assert (found.layer, found.size) == ("body.0", pytest.approx((1.3 - 0.3) / 0.12))


def test_a_layer_that_stops_is_named_and_one_that_was_frozen_is_not() -> None:
    found = rises({FILTERS: [0.1, 0.1]}, {FILTERS: 0.0})[0]
    assert (found.size, found.layer, found.remark) == (math.inf, "body.0", "it stands still")
    assert not rises({FILTERS: [0.0, 0.0]}, {FILTERS: 0.0})
    assert not rises({FILTERS: [0.0, 0.0]}, {FILTERS: 0.5})


def test_a_training_loss_that_falls_at_once_without_the_samples() -> None:
    past = {TRAINING_LOSS: [0.9, 0.8, 0.7, 0.6, 0.5], SAMPLES_LOSS: [0.5]}
    tag = "fall of the training loss"
    falls = [math.log((before + 0.1) / (after + 0.1)) for before, after in ((0.6, 0.5), (0.5, 0.05))]
    found = rise(past, {TRAINING_LOSS: 0.05, SAMPLES_LOSS: 0.5}, tag)
    assert found == pytest.approx((falls[1] - falls[0]) / 0.05)
    assert rise(past, {TRAINING_LOSS: 0.05, SAMPLES_LOSS: 0.3}, tag) is None


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_loss_that_broke_is_a_large_one(broken: float) -> None:
    past = {TRAINING_LOSS: [0.5, 0.5], SAMPLES_LOSS: [0.5]}
    assert (rise(past, {SAMPLES_LOSS: broken}, SAMPLES_LOSS) or 0.0) > 10
    assert (rise(past, {TRAINING_LOSS: broken}, TRAINING_LOSS) or 0.0) > 10


@pytest.mark.parametrize("loss", [0.0, -3.0])
def test_losses_that_no_logarithm_takes_are_left_out(loss: float) -> None:
    assert rise({TRAINING_LOSS: [loss, 1.0]}, {TRAINING_LOSS: 9.0}, TRAINING_LOSS) is None


def test_those_of_the_table_and_between() -> None:
    assert threshold(32, 0.01) == THRESHOLDS[32][1]
    assert threshold(63, 0.1) == THRESHOLDS[32][3]
    between = threshold(32, math.sqrt(0.01 * 0.03))
    assert between == pytest.approx((THRESHOLDS[32][1] + THRESHOLDS[32][2]) / 2)


def test_rarer_alarms_and_fewer_samples_need_larger_rises() -> None:
    for row in THRESHOLDS.values():
        assert list(row) == sorted(row, reverse=True)
    for column in zip(*THRESHOLDS.values(), strict=True):
        assert list(column) == sorted(column, reverse=True)


@pytest.mark.parametrize("share", [0.0, 0.002, 0.2, math.nan])
def test_other_shares_are_refused(share: float) -> None:
    with pytest.raises(ValueError, match=r"false_alarms must be at least 0.003 and at most 0.1"):
        Drift(alarm="auto", false_alarms=share)
