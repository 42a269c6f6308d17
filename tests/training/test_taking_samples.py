"""Which batches samples are taken from, when they are taken anew, and which arguments are refused."""

from __future__ import annotations

import types
from typing import Any

import pytest
import torch

from lightning_cnnviz import CNNVisualizer, Drift, Filters, FixedSamples, Predictions
from lightning_cnnviz.training.rehearsal import check_distinct
from lightning_cnnviz.training.sampling import Sampling, counts_to_take

BATCH = torch.rand(1, 1, 4, 4), torch.zeros(1, dtype=torch.long)


def run(**changes: Any) -> Any:
    """What sampling asks of a Trainer."""
    loaders = dict.fromkeys(("val_dataloaders", "test_dataloaders", "train_dataloader"))
    known = {"is_global_zero": True, "enable_validation": True, "state": types.SimpleNamespace(fn="fit"), **loaders}
    return types.SimpleNamespace(**{**known, **changes})


def sampling(count: int = 4) -> Sampling:
    return CNNVisualizer([Predictions()], count).sampling


def chosen(taken: Sampling) -> None:
    taken.source.samples = FixedSamples(torch.zeros(4, 1, 4, 4))


def given_up(taken: Sampling) -> None:
    failures = taken._callback.failures
    with pytest.warns(UserWarning, match="goes on without"):
        failures.give_up(taken._callback.views, KeyError("a"))


def unreadable(taken: Sampling) -> None:
    taken._add(run(), object())
    taken.source._batches = 0


@pytest.mark.parametrize("before", [lambda taken: None, chosen, given_up, unreadable])
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("loader", [0, 1])
def test_batches_of_the_first_loader_are_taken_on_rank_0_while_any_are_wanted(
    before: Any, rank: int, loader: int
) -> None:
    taken = sampling()
    before(taken)
    wanted = before not in (chosen, given_up, unreadable) and rank == loader == 0
    taken.see(run(is_global_zero=rank == 0), BATCH, 1, loader)
    assert taken.source.batches == wanted


@pytest.mark.parametrize(
    ("batch", "changes", "expected"),
    [
        (BATCH, {}, 1),
        (BATCH, {"is_global_zero": False}, 0),
        (BATCH, {"enable_validation": True}, 0),
        (None, {}, 0),
    ],
    ids=["no validation", "another rank", "validation", "no batch"],
)
def test_training_batches_are_taken_where_there_is_no_validation(
    batch: Any, changes: dict[str, Any], expected: int
) -> None:
    taken = sampling()
    taken.see_training(run(**{"enable_validation": False, **changes}), batch)
    taken.see_training(run(**{"enable_validation": False, **changes}), batch)
    assert taken.source.batches == 2 * expected


def test_a_run_takes_up_what_was_unreadable_in_the_one_before() -> None:
    taken = sampling()
    unreadable(taken)
    taken.start("fit")
    taken.see(run(), BATCH, 1, 0)
    assert taken.source.batches == 1


def test_fitting_and_validating_share_their_samples_and_testing_has_its_own() -> None:
    taken = sampling()
    fitting = taken.source
    taken.start("test")
    testing = taken.source
    taken.start("validate")
    assert taken.source is fitting
    taken.start("test")
    assert taken.source is testing
    assert testing is not fitting
    taken.start("fit")
    chosen(taken)
    taken.forget()
    assert taken.source.samples is None


def test_the_few_samples_that_are_drawn_are_the_same_object_until_there_are_others() -> None:
    taken = sampling(2)
    taken.source.samples = FixedSamples(torch.zeros(4, 1, 4, 4))
    few = taken.few
    assert few is not None
    assert len(few) == 2
    assert taken.few is few
    taken.source.samples = FixedSamples(torch.ones(4, 1, 4, 4))
    assert taken.few is not None
    assert bool((taken.few.images == 1).all())


@pytest.mark.parametrize("samples", ["3", 2.5, torch.tensor([3])], ids=repr)
def test_what_is_no_number_of_samples_is_refused(samples: Any) -> None:
    with pytest.raises(TypeError, match="samples must be how many to take, or FixedSamples"):
        counts_to_take(samples, None)


def test_no_samples_are_refused_also_where_a_view_wants_more() -> None:
    with pytest.raises(ValueError, match="samples must be at least 1, got 0"):
        counts_to_take(0, [Drift()])


class Equal(Filters):
    """Equal to every view."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = Filters.__hash__


def test_one_view_stands_in_the_list_once_and_equal_ones_as_often_as_they_are_made() -> None:
    view = Equal()
    check_distinct([view, Equal()])
    with pytest.raises(ValueError, match="views holds the same Equal twice; make two"):
        check_distinct([view, view])
