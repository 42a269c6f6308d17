"""Which views share a pass, whose numbers are promised, and which weights are drawn."""

from __future__ import annotations

import types
from typing import Any

import pytest
import torch

from lightning_cnnviz import CNNVisualizer, FixedSamples, Predictions
from lightning_cnnviz.training.looks import _drawn_weights, _monitored_by_others, _pass_key, _Shown

SAMPLES = FixedSamples(torch.zeros(4, 1, 4, 4), torch.tensor([0, 1, 2, 0]))


def brightness(scores: torch.Tensor) -> torch.Tensor:
    return scores.sum(dim=1)


def key(samples: FixedSamples = SAMPLES, **options: Any) -> tuple[object, ...]:
    """Of a view of a new callback, its samples chosen."""
    callback = CNNVisualizer([Predictions()], samples, **options)
    callback.sampling.source.samples = samples
    return _pass_key(_Shown(callback.views[0], callback))


@pytest.mark.parametrize(
    "options",
    [{}, {"target": [0, 1, 2, 0]}, {"target": brightness}, {"target": 1}],
    ids=["all defaults", "a class for each", "a function", "one class"],
)
def test_views_of_callbacks_that_ask_alike_share_a_pass(options: dict[str, Any]) -> None:
    assert len({key(**options), key(**options)}) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"samples": FixedSamples(torch.zeros(4, 1, 4, 4), torch.tensor([0, 1, 2, 0]))},
        {"target": "label"},
        {"target": lambda scores: scores.sum(dim=1)},
        {"show": 2},
        {"output": "logits"},
    ],
    ids=["samples", "target", "function", "show", "output"],
)
def test_views_of_callbacks_that_ask_for_something_else_do_not(options: dict[str, Any]) -> None:
    assert key(**options) != key(**({"target": brightness} if callable(options.get("target")) else {}))


class Score:
    """A target that says too little of itself."""

    def __call__(self, scores: torch.Tensor) -> torch.Tensor:
        return scores.sum(dim=1)

    def __repr__(self) -> str:
        return "Score()"


def test_targets_are_told_apart_by_what_they_are_and_not_by_what_they_say() -> None:
    assert key(target=Score()) != key(target=Score())


class WeightAveraging:
    """Lightning has two of them that know nothing of each other."""


class Derived(WeightAveraging):
    """What averages is known by the name of what it is derived from."""


def test_where_the_averaged_weights_come_from_is_said_by_the_order_of_the_callbacks() -> None:
    ours, averaging = CNNVisualizer(), Derived()
    assert _drawn_weights([ours, object()], ours) is None
    assert _drawn_weights([ours, averaging], ours) == (
        "The averaged weights are drawn, those of the validation metrics: Derived stands after CNNVisualizer."
    )
    assert str(_drawn_weights([averaging, ours], ours)).startswith(
        "The weights in training are drawn, not the averaged"
    )


def test_the_numbers_that_others_monitor_are_those_of_callbacks_and_schedulers() -> None:
    configs = [types.SimpleNamespace(monitor="a"), object()]
    trainer = types.SimpleNamespace(
        lr_scheduler_configs=configs, callbacks=[types.SimpleNamespace(monitor="b"), object()]
    )
    assert _monitored_by_others(trainer) == {"a", "b", None}
