"""What fails is given up and told of once; for debugging it is raised."""

from __future__ import annotations

import pytest

from lightning_cnnviz import Predictions
from lightning_cnnviz.training.failures import Failures


def test_for_debugging_a_failure_is_raised_and_nothing_given_up() -> None:
    failures, views, error = Failures("Callback", "raise"), [Predictions()], KeyError("a")
    assert not failures.ends_nothing
    for give_up in (
        lambda: failures.give_up(views, error),
        lambda: failures.give_up_all(error),
    ):
        with pytest.raises(KeyError) as raised:
            give_up()
        assert raised.value is error
    assert failures.working(views) == views
    assert Failures("Callback", "warn").ends_nothing


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_costs_no_view(interrupt: type[BaseException]) -> None:
    failures, views = Failures("Callback", "warn"), [Predictions()]
    with pytest.raises(interrupt), failures.of(*views):
        raise interrupt
    assert failures.working(views) == views
