"""When a view is due: after which epochs or validations, and within which share of the training time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lightning.pytorch.trainer.states import TrainerFn

from lightning_cnnviz.arguments import flag, number, positive
from lightning_cnnviz.training.costs import Costs
from lightning_cnnviz.training.failures import warn
from lightning_cnnviz.views import View


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
        number = validations if _counts_validations(trainer) else trainer.current_epoch + 1
        self._first = number if self._first is None else self._first
        due = [view for view in views if number % (self._every_n_epochs * view.every_n_epochs) == 0]
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


def _counts_validations(trainer: Any) -> bool:
    return trainer.check_val_every_n_epoch is None or trainer.num_training_batches == float("inf")
