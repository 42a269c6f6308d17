"""When a view is due: in which epochs, and within which share of the training time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lightning_cnnviz.training.costs import Costs
from lightning_cnnviz.views import View


@dataclass(frozen=True)
class Moment:
    """A moment at which a callback may look.

    Attributes:
        epoch: of the training, counted from 0; None outside of training, where every view is due.
        untrained: whether it comes before the first training step.
        fixed: whether it belongs to the first or the last epoch, in which no budget leaves a view out.
    """

    epoch: int | None
    untrained: bool = False
    fixed: bool = True


class Schedule:
    """Decides which views are due.

    Args:
        every_n_epochs: look in every n-th epoch; a view's own number counts among those.
        log_untrained: whether to look before the first training step.
        max_overhead: the share of the training time that looks may take, None for any.
        warn: told once that views are left out to keep within that share.
    """

    def __init__(
        self, every_n_epochs: int, log_untrained: bool, max_overhead: float | None, warn: Callable[[str], None]
    ) -> None:
        self._every_n_epochs = every_n_epochs
        self._log_untrained = log_untrained
        self._max_overhead = max_overhead
        self._warn = warn
        self._has_warned = False

    def due(self, views: Sequence[View], moment: Moment, costs: Costs) -> list[View]:
        """Those of the views that are due, in their order, which is that of their importance."""
        due = [view for view in views if self._is_due(view, moment)]
        if self._max_overhead is None or moment.fixed:
            return due
        kept = costs.affordable(due, self._max_overhead)
        left_out = ", ".join(view.name for view in due if view not in kept)
        if left_out and not self._has_warned:
            self._has_warned = True
            self._warn(f"max_overhead={self._max_overhead}: leaves out {left_out} for now, and maybe more again")
        return kept

    def _is_due(self, view: View, moment: Moment) -> bool:
        if moment.untrained:
            return self._log_untrained and not view.watches_training
        return moment.epoch is None or (moment.epoch + 1) % (self._every_n_epochs * view.every_n_epochs) == 0
