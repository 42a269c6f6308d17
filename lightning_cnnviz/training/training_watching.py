"""What passes by while training: batches, for views that watch those of the first epoch, learning rate and loss."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lightning_cnnviz.guard.process_state import process_state_preserved
from lightning_cnnviz.model.evidence import Training
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

    def finish(self, epoch: int) -> None:
        """A training epoch is over."""
        if epoch != self._epoch:
            return
        for view in self._failures.working(self._views):
            if view.watches_training:
                with self._failures.of(view):
                    view.finish_observing()


class Pace:
    """Learning rate and training loss, batch after batch."""

    def __init__(self) -> None:
        self._rates, self._rated = 0.0, 0
        self._losses: Tensor | float = 0.0
        self._lossy = 0

    def before_batch(self, optimizers: Iterable[torch.optim.Optimizer]) -> None:
        """Notes the learning rates with which a batch is learnt."""
        groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        rates = [group["lr"] for group in groups if isinstance(group.get("lr"), float | int | Tensor)]
        self._rates += float(sum(rates))
        self._rated += bool(rates)

    def after_batch(self, outputs: Tensor | Mapping[str, object] | None) -> None:
        """Notes the loss in what ``training_step`` returned; a tensor is not waited for."""
        if outputs is None or type(outputs) in (dict, Tensor):
            self._note(outputs)
        else:  # a kind of the user's own, whose methods may do anything
            with process_state_preserved():
                self._note(outputs)

    def _note(self, outputs: Tensor | Mapping[str, object] | None) -> None:
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if isinstance(loss, Tensor) and loss.numel() == 1:
            self._losses = loss.detach().float() + self._losses
            self._lossy += 1

    def take(self) -> Training:
        """The means since the last time."""
        rate = self._rates / self._rated if self._rated else None
        loss = float(self._losses) / self._lossy if self._lossy else None
        self._rates, self._rated, self._losses, self._lossy = 0.0, 0, 0.0, 0
        return Training(rate, loss)
