"""What a rank makes of how the others fared; real processes are in ``test_distributed.py``."""

from __future__ import annotations

import pickle
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from torch import distributed

from lightning_cnnviz.arguments import ArgumentError
from lightning_cnnviz.model.sharded import OutOfStepError
from lightning_cnnviz.training.ranks import PATIENCE_S, Ranks, _place, _portable, _Report
from tests.helpers.sabotage import Wordless


class WithAnother(Ranks):
    """Rank 0 of two, of which the other has fared as it is said to have."""

    def __init__(self, other: Any) -> None:
        super().__init__(SimpleNamespace(is_global_zero=True))
        self.other = other

    def _gather(self, mine: _Report) -> list[_Report]:
        return [mine, self.other(mine) if callable(self.other) else self.other]


def raising(error: Exception) -> Any:
    def act() -> None:
        raise error

    return act


WELL = _Report("None")


def test_both_succeed() -> None:
    assert WithAnother(WELL).in_step(lambda: 3) == 3


@pytest.mark.parametrize(
    ("mine", "other", "kind", "said"),
    [
        (None, _Report("there:1", "KeyError: 'a'"), RuntimeError, "rank 1: KeyError: 'a'"),
        (KeyError("a"), WELL, RuntimeError, "rank 0: KeyError: 'a'"),
        (Wordless(), WELL, RuntimeError, "rank 0: Wordless"),
        (ArgumentError("no file"), WELL, ArgumentError, "rank 0: ArgumentError: no file"),
        (None, _Report("there:1", "ArgumentError: no file", True), ArgumentError, "rank 1: ArgumentError: no file"),
        (
            ArgumentError("no file"),
            _Report("elsewhere:1", "KeyError: 'a'"),
            ArgumentError,
            "rank 0: ArgumentError: no file; rank 1: KeyError: 'a'",
        ),
        (KeyError("a"), _Report("elsewhere:1", "KeyError: 'a'"), OutOfStepError, "the ranks went different ways"),
        (KeyError("a"), lambda mine: mine, KeyError, "'a'"),
        (ArgumentError("no file"), lambda mine: mine, ArgumentError, "no file"),
        (None, _Report("another way"), OutOfStepError, "the ranks went different ways"),
    ],
)
def test_all_raise_the_same(mine: Exception | None, other: Any, kind: type[BaseException], said: str) -> None:
    with pytest.raises(kind) as caught:
        WithAnother(other).in_step((lambda: None) if mine is None else raising(mine))
    assert type(caught.value) is kind
    assert str(caught.value).startswith(said)


def test_results_show_that_the_ranks_went_the_same_way() -> None:
    ranks = WithAnother(_Report("4"))
    assert ranks.in_step(lambda: 2, compare=lambda result: 2 * result) == 2
    with pytest.raises(OutOfStepError, match="the ranks went different ways while looking at the model: 4; 6"):
        ranks.in_step(lambda: 3, compare=lambda result: 2 * result)


def test_a_place_tells_failures_in_different_lines_apart() -> None:
    places = []
    for number in range(4):
        try:
            if number % 2:
                raise KeyError("a")
            raising(KeyError("a"))()
        except KeyError as error:
            places.append(_place(error))
    assert places[0] == places[2] != places[1] == places[3]
    assert places[0].partition(" > ")[2].startswith("act:")


class NeedsTwo(Exception):  # noqa: N818
    """Can be pickled, and not be read again."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


def test_an_error_that_cannot_be_sent_is_told_in_words() -> None:
    class Local(Exception):  # noqa: N818
        pass

    assert str(_portable(Local("here"))) == "Local: here"
    assert str(_portable(NeedsTwo("a", "b"))) == "NeedsTwo: a and b"
    error = KeyError("a")
    assert _portable(error) is error


@pytest.mark.parametrize("action", [lambda: print, raising(Wordless())], ids=["cannot be sent", "raises"])
def test_the_others_hear_of_what_failed_on_rank_0(action: Any) -> None:
    sent: list[Any] = []

    def broadcast(value: Any) -> Any:
        if value[0] is print:
            raise TypeError("cannot be sent")
        sent.append(value)
        return value

    ranks = Ranks(SimpleNamespace(is_global_zero=True, broadcast=broadcast))
    ranks.sharded = True
    with pytest.raises((TypeError, Wordless)):
        ranks.broadcast_decision(action)
    [(value, failure)] = sent
    assert value is None
    assert isinstance(failure, Exception)
    others = Ranks(SimpleNamespace(is_global_zero=False, broadcast=lambda nothing: sent[0]))
    others.sharded = True
    with pytest.raises(type(failure)):
        others.broadcast_decision(action)


def test_what_the_others_hear_can_always_be_sent() -> None:
    sent: list[bytes] = []
    ranks = Ranks(SimpleNamespace(is_global_zero=True, broadcast=lambda value: sent.append(pickle.dumps(value))))
    ranks.sharded = True
    with pytest.raises(NeedsTwo):
        ranks.broadcast_decision(raising(NeedsTwo("a", "b")))
    assert str(pickle.loads(sent[0])[1]) == "NeedsTwo: a and b"


@pytest.mark.parametrize(("sharded", "sent"), [(False, 1), (True, 0)])
def test_where_each_rank_has_the_whole_model_only_errors_are_shared(sharded: bool, sent: int) -> None:
    shared: list[Any] = []

    def broadcast(value: Any) -> Any:
        shared.append(value)
        return value

    ranks = WithAnother(WELL)
    ranks._strategy, ranks.sharded = SimpleNamespace(is_global_zero=True, broadcast=broadcast), sharded
    ranks.run_and_share_errors(lambda: None)
    assert len(shared) == sent
    assert ranks.broadcast_decision(lambda: 3) == 3
    assert len(shared) == 1


@pytest.mark.parametrize(
    ("main", "sharded", "calls"), [(True, False, True), (False, False, False), (True, True, True), (False, True, True)]
)
def test_a_rank_that_has_the_whole_model_leaves_the_looking_to_rank_0(main: bool, sharded: bool, calls: bool) -> None:
    ranks = Ranks(SimpleNamespace(is_global_zero=main))
    ranks.sharded = sharded
    assert ranks.calls_model == calls


def test_a_strategy_derived_from_a_sharded_one_is_sharded() -> None:
    fsdp = type("FSDPStrategy", (), {"is_global_zero": True})
    assert Ranks(type("OurOwn", (fsdp,), {})()).sharded
    assert not Ranks(SimpleNamespace(is_global_zero=True)).sharded


def test_ranks_compare_what_they_have() -> None:
    ranks = WithAnother(_Report("a"))
    assert ranks.same("a")
    assert not ranks.same("b")


class Groups:
    """Stands in for two connected ranks, and counts the connections."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> None:
        self.error, self.made, self.destroyed = error, 0, 0
        self.options: list[dict[str, Any]] = []
        answers = {"is_initialized": True, "get_rank": 0, "get_world_size": 2}
        for name, answer in answers.items():
            monkeypatch.setattr(distributed, name, lambda answer=answer: answer)
        for name in ("new_group", "all_gather_object", "destroy_process_group"):
            monkeypatch.setattr(distributed, name, getattr(self, name))

    def new_group(self, *_: Any, **options: Any) -> object:
        self.options.append(options)
        if self.error is not None:
            raise self.error
        self.made += 1
        return f"group {self.made}"

    def all_gather_object(self, gathered: list[Any], mine: Any, group: object) -> None:
        gathered[:] = [mine, mine]

    def destroy_process_group(self, group: object) -> None:
        self.destroyed += 1


def test_connections_are_made_once_and_given_up_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = Groups(monkeypatch)
    ranks = Ranks(SimpleNamespace(is_global_zero=True))
    for _ in range(2):
        assert ranks.in_step(lambda: 3) == 3
        assert ranks.as_known_everywhere() == {"sync_dist": True, "sync_dist_group": "group 2"}
    assert groups.made == 2
    # Objects are sent as tensors on the CPU, which NCCL cannot; and a rank that fell out is not waited for for good.
    assert groups.options[0] == {"backend": "gloo", "timeout": timedelta(seconds=PATIENCE_S)}
    assert groups.options[1] == {"use_local_synchronization": True}
    ranks.close()
    ranks.close()
    assert groups.destroyed == 2
    assert ranks.in_step(lambda: 4) == 4
    assert groups.made == 3


def test_connections_that_are_gone_with_the_process_group_are_not_given_up_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    groups = Groups(monkeypatch)
    ranks = Ranks(SimpleNamespace(is_global_zero=True))
    ranks.as_known_everywhere()
    monkeypatch.setattr(distributed, "is_initialized", lambda: False)
    ranks.close()
    assert groups.destroyed == 0
    assert ranks.as_known_everywhere() == {}
    monkeypatch.setattr(distributed, "is_available", lambda: False)
    monkeypatch.delattr(distributed, "is_initialized")  # as where torch was built without it
    assert ranks.as_known_everywhere() == {}


def test_a_backend_without_groups_of_one_rank_logs_as_lightning_does(monkeypatch: pytest.MonkeyPatch) -> None:
    Groups(monkeypatch, RuntimeError("use_local_synchronization is not supported"))
    assert Ranks(SimpleNamespace(is_global_zero=True)).as_known_everywhere() == {}


@pytest.mark.parametrize(
    ("action", "said"), [(lambda: 3, "this one did"), (raising(KeyError("a")), "this one failed: KeyError: 'a'")]
)
def test_a_rank_that_hears_nothing_says_how_it_fared_itself(
    monkeypatch: pytest.MonkeyPatch, action: Any, said: str
) -> None:
    Groups(monkeypatch, RuntimeError("timed out"))
    with pytest.raises(OutOfStepError, match=f"^another rank did not finish looking at the model, {said}$"):
        Ranks(SimpleNamespace(is_global_zero=True)).in_step(action)
