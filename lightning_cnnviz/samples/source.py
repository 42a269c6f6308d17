"""Where the fixed samples come from: given, restored from a checkpoint, or taken from batches as they pass by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lightning_cnnviz.samples.checks import checked_count
from lightning_cnnviz.samples.collector import SampleCollector
from lightning_cnnviz.samples.fixed import FixedSamples


class SampleSource:
    """The samples of one callback, once there are any.

    Args:
        given: the samples themselves, or how many are to be taken from batches.
        image_key: where the images are in a batch.
        label_key: where the labels are; None if there are none.
        class_names: the name of each class, where the samples do not say.
        mean: what the images were normalised with, where the samples do not say.
        std: as ``mean``.

    Attributes:
        samples: None until they are chosen.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: an argument is out of its range or does not fit the given samples.
    """

    def __init__(
        self,
        given: FixedSamples | int,
        *,
        image_key: int | str,
        label_key: int | str | None,
        class_names: Sequence[str] | None,
        mean: Sequence[float] | None,
        std: Sequence[float] | None,
    ) -> None:
        self.samples: FixedSamples | None = None
        self._display: dict[str, Any] = {"class_names": class_names, "mean": mean, "std": std}
        self._given: FixedSamples | None = None
        self._collector: SampleCollector | None = None
        if isinstance(given, FixedSamples):
            self._given = given.with_display_defaults(**self._display)
        else:
            self._collector = SampleCollector(checked_count("samples", given), image_key, label_key)

    @property
    def is_given(self) -> bool:
        """Whether the user gave the samples."""
        return self._given is not None

    @property
    def wants_batches(self) -> bool:
        """Whether batches are still to be shown to :meth:`add`."""
        return self.samples is None and self._collector is not None

    def add(self, batch: object) -> None:
        """Takes copies of what may be chosen from a batch.

        Raises:
            ValueError: there are no images in it.
        """
        if self._collector is not None:
            self._collector.add(batch)

    def choose(self, dataset: object) -> FixedSamples | None:
        """The samples, with class names and normalisation of the dataset where nobody gave any.

        None if there are no samples yet.

        Raises:
            ValueError: class names or normalisation do not fit the images.
        """
        if self.samples is None:
            if self._given is not None:
                self.samples = self._given.with_display_from(dataset)
            elif self._collector is not None and not self._collector.empty:
                self.samples = self._collector.finish(**self._display).with_display_from(dataset)
        return self.samples

    def state_dict(self) -> dict[str, Any] | None:
        """Samples taken from batches; those that were given will be given again."""
        return None if self.is_given or self.samples is None else self.samples.state_dict()

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """Takes up what :meth:`state_dict` gave."""
        if state is not None and not self.is_given:
            self.samples = FixedSamples.from_state_dict(state)


def same_samples(first: FixedSamples, second: FixedSamples) -> bool:
    """Whether two sets show the same images with the same labels and regions."""
    if (first.labels is None) != (second.labels is None) or first.images.shape != second.images.shape:
        return False
    same_labels = first.labels is None or second.labels is None or torch.equal(first.labels, second.labels)
    return same_labels and torch.equal(first.images, second.images) and _same(first.regions, second.regions)


def _same(first: Tensor | None, second: Tensor | None) -> bool:
    if first is None or second is None:
        return first is second
    return torch.equal(first, second)
