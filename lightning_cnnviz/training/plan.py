"""Who shows what at which step: what rank 0 decides before a look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning_cnnviz.training.callback import CNNVisualizer
    from lightning_cnnviz.training.session import Session


@dataclass(frozen=True)
class Plan:
    """What rank 0 decided about one look.

    Attributes:
        step: where it is written.
        epoch: the epoch looked at, None for the untrained model.
        due: for each callback, in their order on the Trainer, the positions of its views that are due, each with what
            that view remembers on rank 0; the latter is empty where only rank 0 looks.
    """

    step: int
    epoch: int | None
    due: list[dict[int, dict[str, Any]]]


def make_plan(session: Session, *, untrained: bool) -> Plan | None:
    """The next look, None if there is nothing to look at."""
    callbacks, trainer = session.callbacks, session.trainer
    due = [_due(callback, session, untrained) for callback in callbacks]
    step = session.steps.next(trainer)
    if step is None or not any(due):
        return None
    return Plan(step, None if untrained else trainer.current_epoch, due)


def _due(callback: CNNVisualizer, session: Session, untrained: bool) -> dict[int, dict[str, Any]]:
    """The positions of the views that are due, with what the other ranks need to know of them."""
    if callback.samples is None:
        return {}
    views = callback.failures.working(callback.views)
    if not session.outlet.open(callback.sinks):
        # Their pictures go nowhere; whether there are numbers to be monitored shows at the first look.
        views = [view for view in views if session.may_monitor(view)]
    validations = session.steps.validations
    due = callback.schedule.due(views, session.trainer, session.costs, untrained=untrained, validations=validations)
    positions = [next(i for i, view in enumerate(callback.views) if view is one) for one in due]
    return {i: callback.views[i].state_dict() if session.ranks.sharded else {} for i in positions}
