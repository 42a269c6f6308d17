"""Views that watch the training batches of the first epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lightning_cnnviz.guard.process_state import process_state_preserved
from lightning_cnnviz.samples import unpack
from lightning_cnnviz.training.failures import Failures
from lightning_cnnviz.views import View


class Watching:
    """Shows training batches to the views that ask for them, in the first epoch of a run, on rank 0.

    Args:
        views: all views of a callback.
        failures: told which views failed.
        image_key: where the images are in a batch.
        label_key: where the labels are.
    """

    def __init__(
        self, views: Sequence[View], failures: Failures, image_key: int | str, label_key: int | str | None
    ) -> None:
        self._views = views
        self._failures = failures
        self._image_key, self._label_key = image_key, label_key
        self._epoch: int | None = None

    def start(self, epoch: int) -> None:
        """Training starts or goes on in an epoch."""
        self._epoch = epoch

    def see(self, trainer: Any, batch: Any) -> None:
        """A training batch passes by."""
        if not trainer.is_global_zero or trainer.current_epoch != self._epoch:
            return
        views = [view for view in self._failures.working(self._views) if view.watches_training]
        if not views:
            return
        with self._failures.of(*views), process_state_preserved():
            images, labels = unpack(batch, self._image_key, self._label_key)
            if labels is None:
                raise ValueError(f"the training batches have no class labels under label_key={self._label_key!r}")
            for view in views:
                view.observe(images.clone(), labels.clone())  # what a view does with them, the training must not see

    def finish(self) -> None:
        """A training epoch is over."""
        for view in self._failures.working(self._views):
            with self._failures.of(view):
                view.finish_observing()
