"""What is set aside, forgotten, met again or begun anew, and what of it is not."""

from __future__ import annotations

import logging

import pytest
import torch

from lightning_cnnviz import CNNVisualizer, FixedSamples
from lightning_cnnviz.training.failures import Failures, OnError
from lightning_cnnviz.training.memory import Memory, restore, saved
from tests.helpers.remembering import Counts, Other, Remembers, counting

ONE, OTHER = FixedSamples(torch.zeros(1, 1, 4, 4)), FixedSamples(torch.ones(1, 1, 4, 4))


def test_the_beginning_is_noted_once_and_as_it_was() -> None:
    view = Remembers(torch.zeros(2))
    memory, _ = counting(view)
    memory.begin()
    view.state += 1
    memory.forget()
    assert view.count == 0
    assert view.state.tolist() == [0, 0]


def test_what_has_not_begun_has_nothing_to_forget_or_to_take_back() -> None:
    view = Remembers()
    memory = Memory([view], Failures("Callback", "raise"))
    view.count = 5
    memory.forget()
    memory.take_back()
    assert view.count == 5


def test_what_was_set_aside_comes_back_once_and_as_it_was() -> None:
    view = Remembers(torch.zeros(2))
    memory, _ = counting(view)
    memory.set_aside()
    view.state += 1
    memory.take_back()
    assert view.state.tolist() == [0, 0]
    view.count = 9
    memory.take_back()
    assert view.count == 9


def test_after_forgetting_nothing_is_set_aside_and_no_samples_were_met() -> None:
    view = Remembers()
    memory, _ = counting(view)
    memory.meet(ONE)
    memory.set_aside()
    memory.forget()
    view.count = 7
    memory.take_back()
    memory.meet(OTHER)
    assert view.count == 7


@pytest.mark.filterwarnings("ignore:what Remembers remembers is not saved")
def test_a_view_that_cannot_say_what_it_remembers_keeps_it() -> None:
    view, other = Remembers(RuntimeError("cannot say")), Other()
    memory, failures = counting(view, other)
    memory.set_aside()
    view.count = other.count = 6
    memory.take_back()
    memory.forget()
    assert (view.count, other.count) == (6, 0)
    assert failures.working([view]) == [view]


@pytest.mark.parametrize(
    ("views", "aside", "told"),
    [([Remembers, Counts], False, True), ([Remembers, Counts], True, False), ([Counts], False, False)],
)
def test_other_samples_cost_what_is_compared_over_looks_and_that_is_said(
    views: list[type[Remembers]], aside: bool, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    made = [view() for view in views]
    memory, _ = counting(*made)
    memory.meet(ONE)
    if aside:
        memory.set_aside()
    with caplog.at_level(logging.INFO, logger="lightning.pytorch"):
        memory.meet(OTHER)
    assert [view.count for view in made] == [0 if type(view) is Remembers else 5 for view in made]
    assert caplog.messages == told * [
        "Remembers: the samples are others than before, so nothing is compared with earlier looks"
    ]


def resumed(*views: Remembers, on_error: OnError = "warn") -> Memory:
    """The memory of views that took up a 5 from a checkpoint."""
    state = counting(*[type(view)() for view in views])[0].state_dict()
    memory = Memory(views, Failures("Callback", on_error))
    memory.load_state_dict(state)
    return memory


def test_what_fails_with_what_it_took_up_is_tried_again_without_once() -> None:
    view, other = Remembers(), Other()
    memory = resumed(view, other)
    memory.went_well(other)
    assert not memory.begins_anew(other, ValueError("a"))
    with pytest.warns(UserWarning, match="Remembers starts afresh, it cannot go on .*: ValueError: a"):
        assert memory.begins_anew(view, ValueError("a"))
    assert (view.count, other.count) == (0, 5)
    assert not memory.begins_anew(view, ValueError("a"))


def test_what_fails_without_a_checkpoint_or_for_debugging_is_not_tried_again() -> None:
    view = Remembers()
    assert not counting(view)[0].begins_anew(view, ValueError("a"))
    assert not resumed(view, on_error="raise").begins_anew(view, ValueError("a"))
    memory = resumed(view)
    memory.forget()
    assert not memory.begins_anew(view, ValueError("a"))


def test_a_state_without_its_checksum_is_damaged() -> None:
    view = Remembers()
    state = counting(Remembers())[0].state_dict()
    with pytest.warns(UserWarning, match="its state in the checkpoint does not fit"):
        Memory([view], Failures("Callback", "warn")).load_state_dict(state | {"checksums": {}})
    assert view.count == 0


def test_damaged_names_of_samples_are_those_of_others() -> None:
    view = Remembers()
    memory = Memory([view], Failures("Callback", "warn"))
    memory.load_state_dict(counting(Remembers())[0].state_dict() | {"samples": torch.zeros(2)})
    memory.meet(ONE)
    assert view.count == 0


def test_what_is_to_be_told_waits_until_there_is_a_run() -> None:
    callback = CNNVisualizer([Remembers()], 2)
    callback.sampling.source.remarks = ["a remark"]
    restore(callback, None, saved(CNNVisualizer([Remembers()], 2), None))
    assert callback.sampling.source.remarks == ["a remark"]
