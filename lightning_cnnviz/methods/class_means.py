"""The mean image of each class, summed up batch by batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


class ClassMeans:
    """Running sums of images by class, on the images' own device and without waiting for it.

    Args:
        classes: which classes; images of others are passed over.

    Attributes:
        complete: whether all that is to be added has been added.
    """

    def __init__(self, classes: Sequence[int]) -> None:
        self.complete = False
        self._classes = torch.tensor(classes)
        self._sums: Tensor | None = None  # (K + 1, C, H, W), the last for all other classes
        self._counts: Tensor | None = None  # (K + 1,)

    def add(self, images: Tensor, labels: Tensor) -> None:
        """Adds images (N, C, H, W) with labels (N,)."""
        device, known = images.device, len(self._classes)
        if self._sums is None or self._counts is None:
            self._sums = torch.zeros(known + 1, *images.shape[1:], dtype=torch.float32, device=device)
            self._counts = torch.zeros(known + 1, dtype=torch.float32, device=device)
        self._sums, self._counts = self._sums.to(device), self._counts.to(device)
        matches = labels.to(device)[:, None] == self._classes.to(device)
        rows = torch.where(matches.any(dim=1), matches.float().argmax(dim=1), known)
        self._sums.index_add_(0, rows, images.detach().float())
        self._counts.index_add_(0, rows, torch.ones_like(rows, dtype=torch.float32))

    def fill(self, means: Tensor, count: int) -> Tensor:
        """A copy of ``means`` (K, C, H, W) with the means of those of the first ``count`` classes that were seen."""
        means = means.clone()
        if self._sums is not None and self._counts is not None:
            seen = (self._counts[:-1] > 0).cpu()[:count]
            found = (self._sums[:-1] / self._counts[:-1, None, None, None]).cpu()[:count]
            means[seen] = found[seen].to(means.dtype)
        return means

    def state_dict(self) -> dict[str, Any]:
        """Sums and counts on the CPU."""
        on_cpu = [None if tensor is None else tensor.cpu() for tensor in (self._sums, self._counts)]
        return {"complete": self.complete, "sums": on_cpu[0], "counts": on_cpu[1]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes up what :meth:`state_dict` gave."""
        self.complete, self._sums, self._counts = state["complete"], state["sums"], state["counts"]
