"""Choosing fixed samples out of the batches that come by."""

from __future__ import annotations

import math
from bisect import insort
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lightning_cnnviz.samples.batches import DEFAULT_IMAGE_KEY, DEFAULT_LABEL_KEY, unpack
from lightning_cnnviz.samples.checks import checked_count, own_copy
from lightning_cnnviz.samples.fixed import FixedSamples


@dataclass(order=True, frozen=True)
class _Candidate:
    """One image; candidates sort in the order in which they are preferred."""

    preference: tuple[float, int]
    image: Tensor = field(compare=False)
    label: int | None = field(compare=False)


class SampleCollector:
    """Chooses `count` of the images in the batches that it is shown, spread over the classes.

    The first image of every class in ascending order of label, then the second of every class, and so on, until there
    are `count`. Images without a label are used only if there are none with one, in order of arrival. Images of another
    shape than the first are passed over. Never holds more than `count` images, and draws no random numbers.

    Args:
        count: how many samples to choose.
        image_key: where the images are in a batch, as in `unpack`.
        label_key: where the labels are in a batch; None if there are none.

    Raises:
        TypeError: if `count` is not an integer.
        ValueError: if `count` is below 1.
    """

    def __init__(
        self, count: int, image_key: int | str = DEFAULT_IMAGE_KEY, label_key: int | str | None = DEFAULT_LABEL_KEY
    ) -> None:
        self._count = checked_count("count", count)
        self._image_key = image_key
        self._label_key = label_key
        self._candidates: list[_Candidate] = []
        self._seen: Counter[int | None] = Counter()

    @property
    def empty(self) -> bool:
        """Whether there is nothing yet to choose from."""
        return not self._candidates

    def add(self, batch: object) -> None:
        """Copies from `batch` to the CPU what may be chosen.

        Raises:
            ValueError: if `unpack` finds no images in it.
        """
        images, labels = unpack(batch, self._image_key, self._label_key)
        indices: list[int | None] = [None] * len(images) if labels is None else list(labels.tolist())
        for image, label in zip(images, indices, strict=True):
            if self.empty or image.shape == self._candidates[0].image.shape:
                self._offer(image, label)

    def finish(
        self,
        *,
        class_names: Sequence[str] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> FixedSamples:
        """Returns the chosen images, fewer than `count` if there were not enough.

        Raises:
            ValueError: if there are none, or as `FixedSamples`.
        """
        if self.empty:
            raise ValueError("there are no samples to choose from: no image has been added")
        labelled = [candidate for candidate in self._candidates if candidate.label is not None]
        return FixedSamples(
            torch.stack([candidate.image for candidate in labelled or self._candidates]),
            torch.tensor([candidate.label for candidate in labelled]) if labelled else None,
            class_names=class_names,
            mean=mean,
            std=std,
        )

    def _offer(self, image: Tensor, label: int | None) -> None:
        earlier = self._seen[label]
        self._seen[label] += 1
        # Later arrivals never change the preference of earlier ones, so what is passed over once is never missed.
        preference = (math.inf, earlier) if label is None else (earlier, label)
        if len(self._candidates) == self._count:
            if preference > self._candidates[-1].preference:
                return
            self._candidates.pop()
        insort(self._candidates, _Candidate(preference, own_copy(image), label))
