"""What fails in one part of a callback's state costs that part, and is said once."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch

from lightning_cnnviz import CNNVisualizer, Evidence, FixedSamples, Request, View
from lightning_cnnviz.model.layers import Layout
from lightning_cnnviz.output.artifacts import Artifact
from lightning_cnnviz.training import memory as memory_module
from lightning_cnnviz.training.failures import Failures
from lightning_cnnviz.training.memory import Memory, restore, saved


class Remembers(View):
    """Counts; and fails where it is told to."""

    def __init__(self, state: Any = None, fails_on: int | None = None) -> None:
        super().__init__()
        self.count, self.state, self.fails_on = 0, state, fails_on

    @property
    def remembers_samples(self) -> bool:
        return True

    def state_dict(self) -> dict[str, Any]:
        if isinstance(self.state, Exception):
            raise self.state
        return {"count": self.count, "more": self.state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if state["count"] == self.fails_on:
            raise ZeroDivisionError("as told")
        self.count = state["count"]

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        return Request()

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        return iter(())


class Other(Remembers):
    pass


def counting(*views: Remembers) -> tuple[Memory, Failures]:
    failures = Failures("Callback", "warn")
    memory = Memory(views, failures)
    memory.begin()
    for view in views:
        view.count = 5
    return memory, failures


@pytest.mark.filterwarnings("error")
def test_views_take_up_what_they_remembered_by_class_and_place() -> None:
    state = counting(Remembers(), Other(), Remembers())[0].state_dict()
    state["views"]["Remembers/1"]["count"] = 6
    views = Other(), Remembers(), Remembers()
    memory = Memory(views, Failures("Callback", "warn"))
    memory.load_state_dict(state)
    assert [view.count for view in views] == [5, 5, 6]
    memory.forget()
    assert [view.count for view in views] == [0, 0, 0]


def _saved_twice(*views: Remembers) -> list[Any]:
    memory, _ = counting(*views)
    return [memory.state_dict()["views"] for _ in range(2)]


@pytest.mark.parametrize("state", [RuntimeError("cannot say"), {"function": print}, [{"set": {1}}]])
def test_what_cannot_be_saved_of_a_view_is_said_once_and_the_rest_is_saved(state: Any) -> None:
    with pytest.warns(UserWarning, match="what Remembers remembers is not saved") as told:
        kept = _saved_twice(Remembers(state), Other())
    assert kept == [{"Other/0": {"count": 5, "more": None}}] * 2
    assert len(told) == 1


def test_a_view_that_cannot_take_up_its_state_starts_afresh_and_the_others_do_not() -> None:
    state = counting(Remembers(), Other())[0].state_dict()
    views = Remembers(fails_on=5), Other()
    memory = Memory(views, Failures("Callback", "warn"))
    views[0].count = 3  # noticed as its beginning
    with pytest.warns(UserWarning, match="Remembers starts afresh, its state in the checkpoint does not fit: Zero"):
        memory.load_state_dict(state)
    assert [view.count for view in views] == [3, 5]


def test_a_view_that_cannot_start_afresh_is_given_up_and_the_others_start() -> None:
    views = Remembers(fails_on=0), Other()
    memory, failures = counting(*views)
    with pytest.warns(UserWarning, match="Callback goes on without Remembers: ZeroDivisionError: as told"):
        memory.forget()
    assert failures.working(views) == [views[1]]
    assert views[1].count == 0


def test_other_samples_begin_anew_but_for_a_while_are_set_aside() -> None:
    [view] = views = [Remembers()]
    memory, _ = counting(*views)
    one, other = FixedSamples(torch.zeros(1, 1, 4, 4)), FixedSamples(torch.ones(1, 1, 4, 4))
    memory.meet(one)
    assert view.count == 5
    memory.set_aside()
    memory.meet(other)
    assert view.count == 0
    memory.take_back()
    memory.meet(one)
    assert view.count == 5
    memory.meet(other)
    assert view.count == 0


def test_what_swells_checkpoints_is_said_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, logger="lightning.pytorch")
    monkeypatch.setattr(memory_module, "LARGEST", 3 * 2**20)
    memory, _ = counting(Remembers({"maps": [torch.zeros(2**20)]}), Other(torch.zeros(3 * 2**18)))
    for _ in range(2):
        memory.state_dict()
    assert [text for text in caplog.messages if "MB" in text] == [
        "what Remembers remembers takes 4 MB in every checkpoint"
    ]


@pytest.mark.parametrize("lost", ["samples", "memory", "monitored"])
def test_a_part_that_is_damaged_costs_no_other(lost: str) -> None:
    samples, [view] = FixedSamples(torch.zeros(2, 1, 4, 4)), [Remembers()]
    callback = CNNVisualizer([view], 2)
    callback.sampling.source.samples = samples
    callback.memory.begin()
    view.count, callback.monitored["a"] = 5, 1.0
    state = saved(callback, None)
    state[lost] = object()
    resumed = CNNVisualizer([Remembers()], 2)
    with pytest.warns(UserWarning, match="cannot be kept in or taken from a checkpoint") as told:
        restore(resumed, None, state)
    assert len(told) == 1
    assert (resumed.samples is not None) == (lost != "samples")
    assert resumed.views[0].count == (0 if lost == "memory" else 5)  # type: ignore[attr-defined]
    assert resumed.monitored == ({} if lost == "monitored" else {"a": 1.0})


def test_samples_that_cannot_be_saved_cost_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    callback = CNNVisualizer([Remembers()], 2)
    callback.sampling.source.samples = object()  # type: ignore[assignment]
    with pytest.warns(UserWarning, match="the samples cannot be kept in"):
        state = saved(callback, None)
    assert "samples" not in state
    assert state["memory"]["views"] == {"Remembers/0": {"count": 0, "more": None}}


def test_of_monitored_numbers_only_numbers_are_taken_up() -> None:
    callback = CNNVisualizer()
    state = saved(CNNVisualizer(), None)
    restore(callback, None, state | {"monitored": {"a": 1.0, "b": "many", "c": None, "d": float("inf")}})
    assert callback.monitored == {"a": 1.0, "d": float("inf")}
