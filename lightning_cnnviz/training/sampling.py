"""When samples are taken from the batches that pass by, and which callbacks share them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lightning.pytorch.trainer.states import TrainerFn

from lightning_cnnviz.guard.process_state import process_state_preserved
from lightning_cnnviz.model.layers import ArgumentError
from lightning_cnnviz.samples import FixedSamples, SampleSource, same_samples
from lightning_cnnviz.samples.checks import checked_count
from lightning_cnnviz.views import View

if TYPE_CHECKING:
    from lightning_cnnviz.training.callback import CNNVisualizer
    from lightning_cnnviz.training.session import Session

_DEFAULT_SANITY_BATCHES = 2


class Sampling:
    """The samples of one callback in the course of a run.

    Fitting and validating draw the same samples; testing has its own.

    Args:
        callback: whose samples they are.
        make_source: says where they come from.
        has_keys: whether the user said where images and labels are in a batch.
        has_display: whether the user gave class names or a normalisation.
    """

    def __init__(
        self, callback: CNNVisualizer, make_source: Callable[[], SampleSource], *, has_keys: bool, has_display: bool
    ) -> None:
        self._callback = callback
        self._make_source = make_source
        self._has_keys, self._has_display = has_keys, has_display
        self._sources = {"fit": make_source()}
        self._stage = "fit"
        self._chosen = False
        self._unreadable: Exception | None = None

    @property
    def source(self) -> SampleSource:
        """Where the samples of this stage come from."""
        return self._sources[self._stage]

    def start(self, stage: str) -> None:
        """A run starts; its dataset may say more about the samples."""
        self._stage = "test" if stage == "test" else "fit"
        if self._stage not in self._sources:
            self._sources[self._stage] = self._make_source()
        self._chosen, self._unreadable = False, None

    def forget(self) -> None:
        """Takes samples afresh."""
        self._sources = {"fit": self._make_source()}

    def state_dict(self) -> dict[str, Any] | None:
        """Samples taken from batches."""
        return self._sources["fit"].state_dict()

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """Takes up what :meth:`state_dict` gave."""
        self._sources["fit"].load_state_dict(state)

    def see(self, trainer: Any, batch: Any, batch_idx: int, dataloader_idx: int) -> None:
        """Takes copies of what may be chosen from the first batches, on rank 0."""
        sanity = trainer.num_sanity_val_steps
        batches = sanity if 0 < sanity < float("inf") else _DEFAULT_SANITY_BATCHES
        if not self.source.wants_batches or dataloader_idx != 0 or batch_idx >= batches or not trainer.is_global_zero:
            return
        if self._unreadable is None and self._callback.failures.working(self._callback.views):
            try:
                with process_state_preserved():
                    self.source.add(batch)
            except Exception as error:
                self._unreadable = error  # raised where the other ranks hear of it

    def choose(self, session: Session) -> FixedSamples | None:
        """The samples, the very same object for callbacks with the same ones; None if there are none yet.

        Raises:
            ArgumentError: an argument does not fit the images.
            Exception: whatever reading the batches led to.
        """
        if self._chosen:
            return self.source.samples
        self.source.samples = samples = session.ranks.broadcast_decision(lambda: self._choice(session.trainer))
        if samples is None:
            return None
        self._chosen = True
        for callback in session.callbacks:
            if callback.samples is not None and same_samples(callback.samples, samples):
                self.source.samples = samples = callback.samples  # looks are shared by identity
        self._callback.memory.meet(samples)
        note = samples.display_note()
        if note is not None:
            session.outlet.say(note)
        return samples

    def try_to_choose(self, session: Session) -> None:
        """Chooses the samples; what goes wrong costs the callback's views."""
        try:
            self.choose(session)
        except Exception as error:
            self._callback.failures.give_up(self._callback.views, error)

    def _choice(self, trainer: Any) -> FixedSamples | None:
        error, self._unreadable = self._unreadable, None
        if error is not None and self._has_keys:
            raise ArgumentError(str(error)) from error
        if error is not None:
            raise error
        try:
            return self.source.choose(_dataset(trainer))
        except (ValueError, TypeError) as error:
            if self._has_display:
                raise ArgumentError(str(error)) from error
            raise


def count_to_take(samples: int, views: Sequence[View] | None) -> int:
    """How many samples are taken from batches: as many as the user says, or more where a view wants more for numbers.

    Raises:
        TypeError: ``samples`` is no integer.
        ValueError: it is below 1.
    """
    return max([checked_count("samples", samples), *(view.wanted_samples for view in views or ())])


def _dataset(trainer: Any) -> object:
    """The dataset behind the first evaluation loader, without touching the loader's iterator."""
    loaders = trainer.test_dataloaders if trainer.state.fn == TrainerFn.TESTING else trainer.val_dataloaders
    while isinstance(loaders, (Sequence, Mapping)) and loaders:
        loaders = next(iter(loaders.values())) if isinstance(loaders, Mapping) else loaders[0]
    return getattr(loaders, "dataset", None)
