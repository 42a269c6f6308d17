"""At which step a look is written, and the how-manieth validation it follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning.pytorch.trainer.states import TrainerFn


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
