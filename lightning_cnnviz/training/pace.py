"""What the batches between two looks tell: how fast the model learns, and how well."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from lightning_cnnviz.guard.process_state import process_state_preserved
from lightning_cnnviz.model.evidence import Training


class Pace:
    """Learning rate and training loss, batch after batch."""

    def __init__(self) -> None:
        self._rates, self._rated = 0.0, 0
        self._losses: Tensor | float = 0.0
        self._lossy = 0

    def before_batch(self, optimizers: Iterable[torch.optim.Optimizer]) -> None:
        """Notes the learning rates with which a batch is learnt."""
        rates = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
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
            self._losses = loss.detach().float().reshape(()) + self._losses
            self._lossy += 1

    def take(self) -> Training:
        """The means since the last time."""
        rate = self._rates / self._rated if self._rated else None
        loss = float(self._losses) / self._lossy if self._lossy else None
        self._rates, self._rated, self._losses, self._lossy = 0.0, 0, 0.0, 0
        return Training(rate, loss)
