"""What fails in one part of a callback's state costs that part, and is said once."""

from __future__ import annotations

import inspect
import io
import logging
from typing import Any

import numpy as np
import pytest
import torch

from lightning_cnnviz import Change, CNNVisualizer, Film, Filters, FixedSamples, Prototypes
from lightning_cnnviz.samples.state import size_of
from lightning_cnnviz.training.bounding import _rounded, unbounded
from lightning_cnnviz.training.failures import Failures
from lightning_cnnviz.training.memory import Memory, restore, saved
from lightning_cnnviz.views.strips import Still
from tests.helpers.remembering import Other, Remembers, counting


@pytest.mark.filterwarnings("error")
def test_views_take_up_what_they_remembered_by_class_and_place() -> None:
    memory, _ = counting(*(before := (Remembers(), Other(), Remembers())))
    before[2].count = 6
    state = memory.state_dict()
    views = Other(), Remembers(), Remembers()
    memory = Memory(views, Failures("Callback", "warn"))
    memory.load_state_dict(state)
    assert [view.count for view in views] == [5, 5, 6]
    memory.forget()
    assert [view.count for view in views] == [0, 0, 0]


def _saved_twice(*views: Remembers) -> list[Any]:
    memory, _ = counting(*views)
    return [memory.state_dict()["views"] for _ in range(2)]


@pytest.mark.parametrize(
    "state",
    [
        RuntimeError("cannot say"),
        {"function": print},
        [{"set": {1}}],
        {frozenset(): 1},
        inspect.FullArgSpec(*7 * (None,)),
        np.float64(1),
    ],
    ids=["error", "function", "set", "key", "named tuple", "number of NumPy"],
)
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


MIB = 2**18  # float32 numbers


def remembering(**floats: int) -> tuple[Memory, dict[str, Any]]:
    """The memory of views of ours that remember so many numbers, under the keys of their states."""
    prototypes, film, change = Prototypes(), Film(Filters()), Change()
    prototypes._last = torch.rand(floats.get("prototypes", 0))
    change._limits = {"filters/a": torch.rand(floats.get("change", 0))}
    film._kept = {"a": [Still(0, None, torch.rand(1, 1, 1, 2 * floats.get("film", 0)).half(), (), ())]}
    views = [Remembers(torch.zeros(floats.get("users", 0))), prototypes, film, change]
    return Memory(views, Failures("Callback", "warn")), {f"{type(view).__name__}/0": view for view in views}


@pytest.mark.parametrize(
    ("floats", "rounded", "left_out", "told"),
    [
        ({"prototypes": 16 * MIB}, False, set(), []),
        (
            {"prototypes": 16 * MIB + 1},
            True,
            set(),
            ["what Prototypes remembers would take 16 MB in every checkpoint: it is kept there in half precision"],
        ),
        (
            {"prototypes": 32 * MIB + 2},
            True,
            {"Prototypes/0"},
            [
                "what Prototypes remembers would take 32 MB in every checkpoint and is not kept there: it begins anew "
                "where a run is resumed"
            ],
        ),
        ({"prototypes": 5 * MIB, "film": 6 * MIB, "change": 5 * MIB}, False, set(), []),
        (
            {"prototypes": 6 * MIB, "film": 6 * MIB, "change": 7 * MIB},
            True,
            set(),
            ["what Prototypes remembers would take 6 MB in every checkpoint: it is kept there in half precision"],
        ),
        (
            {"prototypes": 2 * MIB, "film": 14 * MIB, "change": 7 * MIB},
            True,
            {"Film/0"},
            [
                "what Film remembers would take 14 MB in every checkpoint and is not kept there: it begins anew where "
                "a run is resumed",
                "what Prototypes remembers would take 2 MB in every checkpoint: it is kept there in half precision",
            ],
        ),
        ({"users": 17 * MIB}, False, set(), ["what Remembers remembers takes 17 MB in every checkpoint"]),
    ],
)
def test_what_swells_checkpoints_is_rounded_or_left_out_and_said_once(
    caplog: pytest.LogCaptureFixture, floats: dict[str, int], rounded: bool, left_out: set[str], told: list[str]
) -> None:
    memory, views = remembering(**floats)
    memory.begin()
    with caplog.at_level(logging.INFO, logger="lightning.pytorch"):
        state = [memory.state_dict() for _ in range(2)][-1]
    assert sorted(record.message for record in caplog.records if "MB" in record.message) == told
    assert views.keys() - state["views"].keys() == left_out
    ours = {key: kept for key, kept in state["views"].items() if key != "Remembers/0"}
    assert size_of(ours) <= 16 * 2**20
    torch.load(_through_file(state), weights_only=True)

    resumed, again = remembering()
    resumed.load_state_dict(torch.load(_through_file(state), weights_only=True))
    last, before = again["Prototypes/0"]._last, views["Prototypes/0"]._last
    if "Prototypes/0" not in left_out:
        torch.testing.assert_close(last, before, rtol=0, atol=2**-11 if rounded else 0)
    assert torch.equal(again["Change/0"]._limits["filters/a"], views["Change/0"]._limits["filters/a"])


def _through_file(state: Any) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return file


def test_rounding_keeps_large_numbers_and_what_is_not_finite() -> None:
    view = Change()
    values = torch.tensor([[1e6, -3e5, 7.0, float("nan"), float("inf")]])
    state = {"before": {"values": {"grad_cam/a": values, "filters/a": values}}, "few": [1, "a", None]}
    rounded = _rounded(state, view.may_round)
    assert torch.equal(rounded["before"]["values"]["filters/a"].nan_to_num(), values.nan_to_num())
    back = unbounded(rounded)
    assert back["few"] == [1, "a", None]
    torch.testing.assert_close(back["before"]["values"]["grad_cam/a"], values, rtol=1e-3, atol=1.0, equal_nan=True)


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


@pytest.mark.parametrize("state", [{}, {"epoch": 3}, {"memory": None, "samples": 5, "monitored": [], "steps": {}}])
def test_a_state_of_which_nothing_is_known_begins_anew_with_one_line(state: dict[str, Any]) -> None:
    callback = CNNVisualizer([Remembers()], 2)
    with pytest.warns(UserWarning, match="CNNVisualizer: the samples, what the views remember, monitored num") as told:
        restore(callback, None, state)
    assert len(told) == 1
    assert callback.samples is None
    assert callback.monitored == {}


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
    del state["checksums"]  # as of an older version
    restore(callback, None, state | {"monitored": {"a": 1.0, "b": "many", "c": None, "d": float("inf")}})
    assert callback.monitored == {"a": 1.0, "d": float("inf")}
