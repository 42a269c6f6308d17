"""How a callback comes to the others on its Trainer: before a run, in the middle of one, or from another Trainer."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from lightning.pytorch import LightningModule
from lightning.pytorch.trainer.states import TrainerFn

from lightning_cnnviz.guard.process_state import process_state_preserved
from lightning_cnnviz.training.rehearsal import check_views_on
from lightning_cnnviz.training.session import Session

if TYPE_CHECKING:
    from lightning_cnnviz.training.callback import CNNVisualizer

_unattached = itertools.count(1)


class Membership:
    """To which Trainer a callback belongs, and which place it has among those of its kind there.

    A copy of a callback belongs to no Trainer, and starts afresh on the one that it comes to.

    Args:
        callback: who belongs.

    Attributes:
        session: what the callbacks on the Trainer share, None before they met.
        position: among the callbacks of its class and its tag prefix; before that a number that no other one has.
    """

    def __init__(self, callback: CNNVisualizer) -> None:
        self._callback = callback
        self._has_belonged = False
        self.session: Session | None = None
        self.position = -next(_unattached)

    def join(self, trainer: Any, pl_module: LightningModule, stage: str) -> None:
        """A run begins; on another Trainer than before everything starts afresh.

        Raises:
            ArgumentError: an argument of a view names what the model does not have.
        """
        self._belong_to(trainer, stage)
        assert self.session is not None
        check_views_on(self.session, self._callback, pl_module)

    def led(self, trainer: Any, pl_module: LightningModule) -> Session | None:
        """As :attr:`leads`; joins first if that is still to be done."""
        self.join_late(trainer, pl_module)
        return self.leads

    @property
    def leads(self) -> Session | None:
        """The session, if the callback is the one that acts for all on its Trainer."""
        session = self.session
        if session is None:
            return None
        session.refresh()
        return session if session.callbacks and session.callbacks[0] is self._callback else None

    def close(self) -> None:
        """Waits until everything is written, where the callback acts for all."""
        session = self.leads
        if session is not None:
            session.close()

    def join_late(self, trainer: Any, pl_module: LightningModule) -> None:
        """Joins a run that has begun, which nothing that is wrong with an argument may end any more.

        A callback that was put among those of a Trainer in the middle of a run belongs to it from then on.
        """
        if self.session is not None and self.session.trainer is trainer:
            return
        with process_state_preserved():
            self._belong_to(trainer, "test" if trainer.state.fn == TrainerFn.TESTING else "fit")
            assert self.session is not None
            self._callback.schedule.start()
            self._callback.watching.start(trainer.current_epoch)
            check_views_on(self.session, self._callback, pl_module, late=True)

    def _belong_to(self, trainer: Any, stage: str) -> None:
        callback, before = self._callback, self.session
        self.session = session = Session.of(trainer)
        self.position = session.admit(callback)
        callback.memory.begin()
        if self._has_belonged and before is not session:
            callback.memory.forget()
            callback.sampling.forget()
            callback.monitored.clear()
        self._has_belonged = True
        if stage == "test":
            callback.memory.set_aside()
        callback.failures.reset()
        callback.sampling.start(stage)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "session": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, position=-next(_unattached))
