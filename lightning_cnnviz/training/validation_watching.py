"""Views that see the answers of the model to the validation batches as they pass by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lightning.pytorch import LightningModule
from torch import Tensor

from lightning_cnnviz.guard.process_state import process_state_preserved
from lightning_cnnviz.model.overheard import Answered, Overhearing
from lightning_cnnviz.samples import read_batch
from lightning_cnnviz.samples.labels import classes_with_gaps
from lightning_cnnviz.views import View

if TYPE_CHECKING:
    from lightning_cnnviz.training.callback import CNNVisualizer
    from lightning_cnnviz.training.session import Session


class ValidationWatching:
    """Shows the batches of the first evaluation loader, with the model's own answers, to the views that ask for them.

    The model is not called once more: its output is overheard while ``validation_step`` calls it.

    Args:
        callback: whose views they are.
        image_key: where the images are in a batch.
        label_key: where the labels are.
    """

    def __init__(self, callback: CNNVisualizer, image_key: int | str, label_key: int | str | None) -> None:
        self._callback = callback
        self._image_key, self._label_key = image_key, label_key
        self._overhearing = Overhearing()
        self._batch: tuple[Tensor, Tensor, int | None, Tensor | None] | None = None
        self._processes = 1
        self._watching: list[View] = []

    def before_batch(
        self, trainer: Any, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int
    ) -> None:
        """A batch is about to be answered."""
        self.stop()
        if dataloader_idx != 0 or trainer.sanity_checking or not trainer.is_global_zero:
            return
        if batch_idx == 0:
            self._watching = [view for view in self._callback.views if self._wants(view, trainer)]
        views = self._views()
        if not views:
            return
        with self._callback.failures.of(*views), process_state_preserved():
            if batch_idx == 0:
                for view in views:
                    view.begin_validation()
            found = read_batch(batch, self._image_key, self._label_key)
            images = found.images
            labels, has_class = None if found.truth is None else found.truth.labels, None
            if found.truth is None:
                labels = classes_with_gaps(found.labels, len(images))
                has_class = None if labels is None else labels >= 0
            if labels is None:
                raise ValueError(f"the validation batches have no class labels under label_key={self._label_key!r}")
            self._processes = trainer.world_size
            # What is changed in place later on shows by its version, which inference tensors do not count.
            version = None if images.is_inference() else images._version
            self._batch = (images.clone() if version is None else images, labels.clone(), version, has_class)
            self._overhearing.start(pl_module)

    def after_batch(self, session: Session | None, pl_module: LightningModule) -> None:
        """It is answered.

        Args:
            session: knows how the model's output is read, if anybody looked at it before.
            pl_module: whose output it is.
        """
        batch, self._batch = self._batch, None
        self._overhearing.stop()
        views = self._views()
        if batch is None or not views:
            return
        images, labels, version, has_class = batch
        with self._callback.failures.of(*views), process_state_preserved():
            reading = None if session is None else session.known_reading(self._callback, pl_module)
            key = self._callback.reading["output_key"]
            said = self._overhearing.log_probabilities(len(labels), reading, key)
            if said is None:
                raise ValueError(
                    "validation_step was not heard to compute one row of class scores for each label: it must call the "
                    "LightningModule, or a child of it with convolutions, with the images, outside of torch.compile"
                )
            unchanged = version is None or images._version == version
            answered = Answered(images if unchanged else None, labels.to(said.device), said.detach(), self._processes)
            if has_class is not None:
                answered = _chosen(answered, has_class)
            for view in views if len(answered.labels) else ():
                view.observe_validation(answered)

    def stop(self) -> None:
        """Ends listening, whatever happened to the batch."""
        self._overhearing.stop()
        self._batch = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_overhearing": Overhearing(), "_batch": None}  # a copy listens to no model

    def _views(self) -> Sequence[View]:
        return self._callback.failures.working(self._watching)

    def _wants(self, view: View, trainer: Any) -> bool:
        session = self._callback.membership.session
        validations = 0 if session is None else session.steps.validations
        return view.watches_validation and self._callback.schedule.may_come(view, trainer, validations)


def _chosen(answered: Answered, which: Tensor) -> Answered:
    """The rows of those images that have a class."""
    images = None if answered.images is None else answered.images[which.to(answered.images.device)]
    here = which.to(answered.labels.device)
    return Answered(images, answered.labels[here], answered.log_probabilities[here], answered.processes)
