"""Choosing fixed samples out of the batches that come by."""

from __future__ import annotations

import math
from bisect import insort
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from lightning_cnnviz.arguments import integer
from lightning_cnnviz.samples.batches import DEFAULT_IMAGE_KEY, DEFAULT_LABEL_KEY, Batch, read_batch
from lightning_cnnviz.samples.checks import own_copy
from lightning_cnnviz.samples.fixed import FixedSamples
from lightning_cnnviz.samples.forms import Form
from lightning_cnnviz.samples.labels import classes_with_gaps, read_truth, split
from lightning_cnnviz.samples.origin import Origin
from lightning_cnnviz.samples.searching import counts_up

BEARABLE = 8 * 2**20
"""So many bytes of images are kept, and looked at in one pass, where nobody asked for that many."""


@dataclass(order=True, frozen=True)
class _Candidate:
    """One image; candidates sort in the order in which they are preferred."""

    preference: tuple[float, int]
    image: Tensor = field(compare=False)
    label: object = field(compare=False)
    behind: object = field(compare=False, default=None)


class SampleCollector:
    """Chooses `count` of the images in the batches that it is shown, spread over the classes.

    The first image of every class in ascending order of label, then the second of every class, and so on, until there
    are `count`. Of images with several labels the first counts. Images without a label are used only if there are none
    with one, in order of arrival; a class of -1 or -100 is none. Images of another shape than the first are passed
    over. Never holds more than `count` images, and draws no random numbers.

    Args:
        count: how many samples to choose.
        image_key: where the images are in a batch, as in `unpack`.
        label_key: where the labels are in a batch; None if there are none.
        most: up to how many are chosen where images are so small that all of them take no more than `BEARABLE` bytes;
            None: as many as `count`.

    Attributes:
        count: how many are chosen.

    Raises:
        TypeError: if `count` is not an integer.
        ValueError: if `count` is below 1.
    """

    def __init__(
        self,
        count: int,
        image_key: int | str = DEFAULT_IMAGE_KEY,
        label_key: int | str | None = DEFAULT_LABEL_KEY,
        *,
        most: int | None = None,
    ) -> None:
        self.least = integer("count", count, least=1)
        self.most = max(self.least, most or 0)
        self.count = self.most
        self._image_key = image_key
        self._label_key = label_key
        self._candidates: list[_Candidate] = []
        self._seen: Counter[int | None] = Counter()
        self._form = Form()
        self._last: int | None = None
        self._in_order = True
        self._numbers: list[int] | None = []

    def __len__(self) -> int:
        return len(self._candidates)

    @property
    def empty(self) -> bool:
        """Whether there is nothing yet to choose from."""
        return not self._candidates

    @property
    def classes(self) -> int | None:
        """How many classes have been seen; None if images have none."""
        return len(self._seen.keys() - {None}) or None

    def has_enough(self, classes: int | None) -> bool:
        """Whether no later batch could bring what is missing: an image, or one of a class not seen yet.

        Args:
            classes: how many classes there are; None if nobody knows.
        """
        if len(self) < self.count:
            return False
        return self.classes is None or self.classes >= min(self.count, self.count if classes is None else classes)

    def has_much(self, classes: int | None) -> bool:
        """Whether it is a fair part of the choice: several images, of half of the classes unless those are sorted."""
        if 2 * len(self) < min(self.count, 16):
            return False
        wanted = min(self.count, 2 if classes is None else classes)
        if self.classes is None or self.classes >= wanted:
            return True
        return not self._in_order and 2 * self.classes >= wanted

    def add(self, batch: object) -> None:
        """Copies from `batch` to the CPU what may be chosen.

        Raises:
            ValueError: if there are no images in it.
        """
        found = read_batch(batch, self._image_key, self._label_key)
        count = len(found.images)
        labels = None if found.truth is None else split(found.labels, count)
        groups: Sequence[int | None] | None = None if found.truth is None else found.truth.groups()
        classes = None if found.truth is not None else classes_with_gaps(found.labels, count)
        if classes is not None:
            groups = [number if number >= 0 else None for number in classes.tolist()]
            labels = list(groups)
        if self.empty and count:
            self._form = found.form
            self.count = min(self.most, max(self.least, BEARABLE // _bytes(found.images[0])))
        self._note_number(found)
        if not found.form.unlabelled:
            self._form = replace(self._form, unlabelled=False)
        for index, image in enumerate(found.images):
            if found.form == self._form and (self.empty or image.shape == self._candidates[0].image.shape):
                label = None if labels is None else labels[index]
                self._offer(image, label, None if groups is None else groups[index], found.behind)

    def finish(
        self,
        *,
        class_names: Sequence[str] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        bands: Sequence[int] | None = None,
    ) -> FixedSamples:
        """Returns the chosen images, fewer than `count` if there were not enough.

        Raises:
            ValueError: if there are none, or as `FixedSamples`.
        """
        if self.empty:
            raise ValueError("there are no samples to choose from: no image has been added")
        labelled = [candidate for candidate in self._candidates if candidate.label is not None]
        labels = [candidate.behind if self._are_numbered else candidate.label for candidate in labelled]
        # Of all together, because one batch of several labels may look like one class per image.
        truth = read_truth(labels, len(labels)) if labels else None
        return FixedSamples(
            torch.stack([candidate.image for candidate in labelled or self._candidates]),
            class_names=class_names,
            mean=mean,
            std=std,
            bands=bands,
            truth=truth,
            origin=Origin(self._form),
        )

    def _note_number(self, found: Batch) -> None:
        """Notes what may be the number of a sample in its dataset, where every batch holds one image."""
        number = None if found.behind is None or found.truth is None else found.truth.labels
        if self._numbers is None or number is None:
            self._numbers = None
        else:
            self._numbers += number.tolist()

    @property
    def _are_numbered(self) -> bool:
        """Whether what stands where labels do has counted up by one from image to image."""
        return self._numbers is not None and len(self._numbers) > 2 and counts_up(torch.tensor(self._numbers))

    def _offer(self, image: Tensor, label: object, group: int | None, behind: object) -> None:
        if group is not None:
            self._in_order = self._in_order and (self._last is None or group >= self._last)
            self._last = group
        earlier = self._seen[group]
        self._seen[group] += 1
        # Later arrivals never change the preference of earlier ones, so what is passed over once is never missed.
        preference = (math.inf, earlier) if group is None else (earlier, group)
        if len(self) == self.count:
            if preference > self._candidates[-1].preference:
                return
            self._candidates.pop()
        insort(self._candidates, _Candidate(preference, own_copy(image), _own(label), _own(_single(behind))))


def _bytes(image: Tensor) -> int:
    return image.numel() * image.element_size()


def _single(behind: object) -> object:
    """The label in a batch of one."""
    labels = None if behind is None else split(behind, 1)
    return None if labels is None else labels[0]


def _own(label: object) -> object:
    if isinstance(label, Tensor):
        return own_copy(label)
    return {name: _own(value) for name, value in label.items()} if isinstance(label, Mapping) else label
