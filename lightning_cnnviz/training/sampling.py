"""When samples are taken from the batches that pass by, and which callbacks share them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from lightning_cnnviz.arguments import ArgumentError, integer, shown
from lightning_cnnviz.guard.process_state import process_state_preserved
from lightning_cnnviz.render.fonts import missing_glyphs_remark
from lightning_cnnviz.samples import FixedSamples, SampleSource, same_samples
from lightning_cnnviz.samples.batches import DEFAULT_IMAGE_KEY, DEFAULT_LABEL_KEY
from lightning_cnnviz.training.batch_hooks import through_batch_hooks
from lightning_cnnviz.training.loaders import dataset_of, more_to_come
from lightning_cnnviz.views import View

if TYPE_CHECKING:
    from lightning_cnnviz.training.callback import CNNVisualizer
    from lightning_cnnviz.training.session import Session


_TRAINING_BATCHES = 50  # they are shuffled: few are enough


class Sampling:
    """The samples of one callback in the course of a run.

    Fitting and validating draw the same samples; testing has its own.

    Args:
        callback: whose samples they are.
        samples: given, or how many are to be drawn. Views that want no more for their numbers see no others.
        views: for whose numbers more of them may be taken.
        keys: where images and labels are in a batch.
        display: class names, normalisation and bands, each None where the user gave none.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: an argument is out of its range or does not fit the given samples.
    """

    def __init__(
        self,
        callback: CNNVisualizer,
        samples: FixedSamples | int,
        views: Sequence[View] | None,
        *,
        keys: tuple[int | str, int | str | None],
        display: Mapping[str, Any],
    ) -> None:
        self._callback = callback
        taken, most = (samples, None) if isinstance(samples, FixedSamples) else counts_to_take(samples, views)
        self._make_source = partial(SampleSource, taken, image_key=keys[0], label_key=keys[1], most=most, **display)
        self._has_keys = keys[0] != DEFAULT_IMAGE_KEY or keys[1] not in (DEFAULT_LABEL_KEY, None)
        self._has_display = any(given is not None for given in display.values())
        self._sources = {"fit": self._make_source()}
        self._drawn = None if isinstance(samples, FixedSamples) else samples
        self._few: tuple[FixedSamples, FixedSamples] | None = None
        self._stage = "fit"
        self._chosen = False
        self._unreadable: Exception | None = None

    @property
    def source(self) -> SampleSource:
        """Where the samples of this stage come from."""
        return self._sources[self._stage]

    @property
    def few(self) -> FixedSamples | None:
        """The samples of views that do without those taken for numbers."""
        samples = self.source.samples
        if samples is None or self._drawn is None or len(samples) <= self._drawn:
            return samples
        if self._few is None or self._few[0] is not samples:
            self._few = samples, samples.chosen(range(self._drawn))
        return self._few[1]

    def seen_by(self, view: View) -> FixedSamples | None:
        """The samples that a view sees, None if there are none yet."""
        return self.source.samples if view.sees_all_samples else self.few

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
        """Takes copies of what may be chosen from the batches, on rank 0, until nothing is missing."""
        if dataloader_idx != 0 or not self.source.wants_batches or not trainer.is_global_zero:
            return
        if batch_idx == 0:  # after a sanity check, whose batches come again
            self.source.restart()
        self._add(trainer, batch)

    def _add(self, trainer: Any, batch: Any) -> None:
        if batch is None:  # a step that draws its batches itself, before it has drawn one
            return
        if self._unreadable is None and self._callback.failures.working(self._callback.views):
            try:
                with process_state_preserved():
                    self.source.add(batch, dataset_of(trainer))
            except Exception as error:
                self._unreadable = error  # raised where the other ranks hear of it

    def see_training(self, trainer: Any, batch: Any) -> None:
        """Takes samples from the first training batches where there is no validation."""
        if trainer.enable_validation or not trainer.is_global_zero:
            return
        if self.source.wants_batches and self.source.batches < _TRAINING_BATCHES:
            self._add(trainer, batch)

    def choose(self, session: Session, *, early: bool = False) -> FixedSamples | None:
        """The samples, the very same object for callbacks with the same ones; None if there are none yet.

        Args:
            session: the run.
            early: whether more batches are to come, so that a poor choice waits for them.

        Raises:
            ArgumentError: an argument does not fit the images.
            Exception: whatever reading the batches led to.
        """
        if self._chosen:
            return self.source.samples
        self.source.samples = samples = session.ranks.broadcast_decision(lambda: self._choice(session.trainer, early))
        if samples is None:
            return None
        self._chosen = True
        others = [callback.sampling for callback in session.callbacks if callback is not self._callback]
        for known in [one for other in others for one in (other.source.samples, other.few)]:
            # Looks are shared by identity.
            if known is not None and same_samples(known, samples):
                self.source.samples = samples = known
            elif known is not None and self.few is not None and same_samples(known, self.few):
                self._few = samples, known
        self._callback.memory.meet(samples)
        for note in (samples.display_note(), missing_glyphs_remark(samples.class_names, self._callback.font)):
            if note is not None:
                session.outlet.say(note)
        self.tell(session)
        return samples

    def how_to_take_more(self, trainer: Any) -> str:
        """What would give numbers more samples, where the sanity check had fewer than they may be of; else nothing."""
        samples, missing = self.source.samples, self.source.missing
        if samples is None or not missing or not more_to_come(trainer):
            return ""
        batches = math.ceil(self.source.batches * (1 + missing / len(samples)))
        return f", those of the sanity check (num_sanity_val_steps={batches} gives up to {len(samples) + missing})"

    def tell(self, session: Session) -> None:
        """Tells what the user should know of where the samples come from."""
        remarks, self.source.remarks = self.source.remarks, []
        for remark in remarks:
            session.outlet.say(f"{type(self._callback).__name__}: {remark}")

    def try_to_choose(self, session: Session, *, early: bool = False) -> None:
        """Chooses the samples; what goes wrong costs the callback's views."""
        try:
            self.choose(session, early=early)
        except Exception as error:
            self._callback.failures.give_up(self._callback.views, error)

    def _choice(self, trainer: Any, early: bool) -> FixedSamples | None:
        error, self._unreadable = self._unreadable, None
        if error is not None and self._has_keys:
            raise ArgumentError(str(error)) from error
        if error is not None:
            raise error
        try:
            samples = self.source.choose(
                dataset_of(trainer),
                getattr(trainer, "datamodule", None),
                model=trainer.lightning_module,
                early=early and more_to_come(trainer),
            )
        except (ValueError, TypeError) as error:
            if self._has_display:
                raise ArgumentError(str(error)) from error
            raise
        return None if samples is None else self._hooked(trainer, samples)

    def _hooked(self, trainer: Any, samples: FixedSamples) -> FixedSamples:
        try:
            hooked, told = through_batch_hooks(trainer, trainer.lightning_module, samples)
        except Exception as error:
            hooked, told = samples, f"the batch hooks refuse the samples, which are taken as they are: {error}"
        if told:
            self.source.remarks.append(told)
        return hooked


def counts_to_take(samples: int, views: Sequence[View] | None) -> tuple[int, int]:
    """How many samples are taken from batches, and up to how many of small images.

    They are as many as the user says, or more where a view wants more for numbers.

    Raises:
        TypeError: ``samples`` is no integer.
        ValueError: it is below 1.
    """
    if not hasattr(samples, "__index__") or getattr(samples, "ndim", False):
        raise TypeError(
            f"samples must be how many to take, or FixedSamples such as FixedSamples(images), got {shown(samples)}"
        )
    views = views or ()
    least = max([integer("samples", samples, least=1), *(view.wanted_samples for view in views)])
    return least, max([least, *(view.most_samples for view in views)])
