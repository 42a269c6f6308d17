"""What a rank makes of how the others fared; real processes are in ``test_distributed.py``."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from lightning_cnnviz.model.layers import ArgumentError
from lightning_cnnviz.model.sharded import OutOfStepError
from lightning_cnnviz.training.ranks import Ranks, _portable, _Report
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


def test_an_error_that_cannot_be_sent_is_told_in_words() -> None:
    class Local(Exception):  # noqa: N818
        pass

    assert str(_portable(Local("here"))) == "Local: here"
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
