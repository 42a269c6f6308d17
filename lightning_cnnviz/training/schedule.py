"""When the model is looked at: which views are due, at which step, and what rank 0 tells the other ranks of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lightning.pytorch.trainer.states import TrainerFn

from lightning_cnnviz.arguments import flag, number, positive
from lightning_cnnviz.training.costs import Costs
from lightning_cnnviz.training.failures import warn
from lightning_cnnviz.views import View

if TYPE_CHECKING:
    from lightning_cnnviz.training.callback import CNNVisualizer
    from lightning_cnnviz.training.session import Session


class Schedule:
    """Decides which views are due.

    Epochs are counted, or validations where an epoch says nothing: ``check_val_every_n_epoch=None`` counts them in
    steps, and a stream of training batches has no end.

    Args:
        name: what messages call the callback.
        every_n_epochs: look in every n-th epoch; a view's own number counts among those.
        log_untrained: whether to look before the first training step.
        max_overhead: the share of the training time that looks may take, None for any.

    Attributes:
        log_untrained: as given.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: an argument is out of its range.
    """

    def __init__(self, name: str, every_n_epochs: int, log_untrained: bool, max_overhead: float | None) -> None:
        self._name = name
        self._every_n_epochs = positive("every_n_epochs", every_n_epochs)
        self.log_untrained = flag("log_untrained", log_untrained)
        if max_overhead is not None:
            number("max_overhead", max_overhead, above=0, most=1)
        self._max_overhead = max_overhead
        self._has_warned = False
        self._first: int | None = None

    def start(self) -> None:
        """Training starts or goes on."""
        self._first, self._has_warned = None, False

    def due(
        self, views: Sequence[View], trainer: Any, costs: Costs, *, untrained: bool, validations: int
    ) -> list[View]:
        """Those of the views that are due, in their order, which is that of their importance.

        Args:
            views: all views.
            trainer: the Trainer; outside of training every view is due.
            costs: of the looks so far.
            untrained: whether this look comes before the first training step.
            validations: how many there were while training, this one included.
        """
        if trainer.state.fn != TrainerFn.FITTING:
            return list(views)
        if untrained:
            return [view for view in views if self.log_untrained and not view.watches_training]
        number = _number(trainer, validations)
        self._first = number if self._first is None else self._first
        due = [view for view in views if self._has_turn(view, number)]
        if self._max_overhead is None or number in (self._first, trainer.max_epochs):
            return due
        kept = costs.affordable(due, self._max_overhead)
        left_out = ", ".join(view.name for view in due if not any(view is other for other in kept))
        if left_out and not self._has_warned:
            self._has_warned = True
            warn(
                f"{self._name}: max_overhead={self._max_overhead}: leaves out {left_out} for now, and maybe more again"
            )
        return kept

    def may_come(self, view: View, trainer: Any, validations: int) -> bool:
        """Whether a view has its turn after the validation that begins now, if there is time for it.

        Args:
            view: any.
            trainer: the Trainer.
            validations: how many there were while training, without this one.
        """
        return trainer.state.fn != TrainerFn.FITTING or self._has_turn(view, _number(trainer, validations + 1))

    def _has_turn(self, view: View, number: int) -> bool:
        return number % (self._every_n_epochs * view.every_n_epochs) == 0


def _number(trainer: Any, validations: int) -> int:
    """Of the epoch from 1 on, or of the validation where these are counted."""
    counts_validations = trainer.check_val_every_n_epoch is None or trainer.num_training_batches == float("inf")
    return validations if counts_validations else int(trainer.current_epoch) + 1


class Steps:
    """The steps of the looks: those of Lightning's own validation metrics, always above the last one.

    TensorBoard answers a step below the last one of a tag by erasing the later ones.

    Attributes:
        last: the step of the last look, -1 before there was any.
        validations: how many there were while training, after each of which there may be a look.
    """

    def __init__(self) -> None:
        self.last = -1
        self.validations = 0
        self._seen_at: int | None = None

    def start(self) -> None:
        """Training starts: what was seen before may be seen again."""
        self._seen_at = None

    def next(self, trainer: Any) -> int | None:
        """The step for a look now; None if nothing was learnt since the last one."""
        stepped = int(getattr(trainer.fit_loop.epoch_loop, "_batches_that_stepped", trainer.global_step))
        if stepped > self.last:
            return stepped
        if trainer.state.fn == TrainerFn.FITTING and self._seen_at == trainer.global_step:
            return None
        return self.last + 1

    def looked(self, step: int, trainer: Any) -> None:
        """A look was taken."""
        self.last, self._seen_at = step, trainer.global_step

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"last": self.last, "validations": self.validations}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on after the last look of an earlier run."""
        self.last = max(self.last, int(state["last"]))
        self.validations = max(self.validations, int(state["validations"]))


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
