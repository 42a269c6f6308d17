"""The fixed images on which every epoch is judged."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from lightning_cnnviz.output.artifacts import RGB
from lightning_cnnviz.samples.batches import DEFAULT_IMAGE_KEY, DEFAULT_LABEL_KEY, describe
from lightning_cnnviz.samples.checks import (
    checked_class_names,
    checked_count,
    checked_images,
    checked_labels,
    checked_normalization,
    checked_originals,
    checked_regions,
)
from lightning_cnnviz.samples.datasets import find_class_names, find_normalization
from lightning_cnnviz.samples.pictures import denormalized, picture_note, to_pictures
from lightning_cnnviz.samples.reading import MapDataset, first_per_class, read_files, read_items

DEFAULT_COUNT = 8
"""How many samples are taken when nobody says how many."""


class FixedSamples:
    """Images as the model takes them, with what is needed to show them to people.

    Args:
        images: (N, C, H, W) floating point, normalised as for training. Copied to the CPU.
        labels: (N,) class indices, any integer dtype.
        class_names: the name of each class, in the order of the model's outputs.
        mean: what the model's preprocessing subtracted from each channel (C numbers, or one), for values in 0..1.
        std: by what it then divided each channel.
        originals: N pictures in their own resolution, (H, W, 3) uint8 RGB each, to be shown instead of `images`.
        regions: where the object is, to be compared with where the model looks: boolean masks (N, H, W), or integer
            boxes (N, 4) as left, top, right, bottom in pixels of `images`, right and bottom just outside the box.

    Attributes:
        images: as given, on the CPU and without gradient.
        labels: (N,) int64, or None.
        class_names: a tuple of str, or None.
        mean: a tuple of float, or None.
        std: a tuple of float, or None.
        originals: a tuple of arrays, or None.
        regions: (N, H, W) bool, or None.

    Raises:
        TypeError: if an argument is of the wrong kind or dtype.
        ValueError: if shapes or values do not fit together.

    Example:
        >>> FixedSamples(torch.rand(2, 3, 32, 32), torch.tensor([0, 1]), class_names=["cat", "dog"])
        FixedSamples(2 x (3, 32, 32), labels, 2 class names)
    """

    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None

    def __init__(
        self,
        images: Tensor,
        labels: Tensor | None = None,
        *,
        class_names: Sequence[str] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        originals: Sequence[RGB] | None = None,
        regions: Tensor | None = None,
    ) -> None:
        self.images = checked_images(images)
        self.class_names = checked_class_names(class_names)
        self.labels = checked_labels(labels, len(images), self.class_names)
        self._normalization = checked_normalization(mean, std, images.shape[1])
        self.mean, self.std = self._normalization or (None, None)
        self.originals = checked_originals(originals, len(images))
        self.regions = checked_regions(regions, (len(images), images.shape[2], images.shape[3]))

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        facts = [f"{len(self)} x {tuple(self.images.shape[1:])}"]
        facts += ["labels"] * (self.labels is not None)
        facts += [f"{len(self.class_names)} class names"] if self.class_names is not None else []
        facts += ["normalisation"] * (self.mean is not None)
        facts += ["originals"] * (self.originals is not None)
        facts += ["regions"] * (self.regions is not None)
        return f"FixedSamples({', '.join(facts)})"

    @classmethod
    def from_dataset(
        cls,
        dataset: MapDataset,
        indices: Sequence[int] | None = None,
        per_class: int | None = None,
        *,
        image_key: int | str = DEFAULT_IMAGE_KEY,
        label_key: int | str | None = DEFAULT_LABEL_KEY,
        class_names: Sequence[str] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> FixedSamples:
        """Reads samples from a dataset; without `indices` and `per_class`, its first 8 items.

        Random transforms draw as ever, but the random states are as before afterwards.

        Args:
            dataset: what ``dataset[i]`` and ``len(dataset)`` work on; images come as (C, H, W) floating point.
            indices: which items, in this order.
            per_class: so many of each class, the first in the dataset, ordered first of each class, second of each, ...
                Labels come from the dataset's ``targets`` or ``labels`` where it has them; otherwise items are read
                until all its ``classes`` are complete, or to the end.
            image_key: where the image is in an item, as in `unpack`.
            label_key: where the label is in an item; None if there is none.
            class_names: None: the dataset's ``classes``.
            mean: None: found in the dataset's transforms, with `std`.
            std: see `mean`.

        Raises:
            TypeError: if `dataset` cannot be read by index, or `indices` are not integers.
            ValueError: if both `indices` and `per_class` are given, an index is out of range, or the items are not
                images of one shape.
        """
        if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
            raise TypeError(f"dataset must have a length and be read by index, got {describe(dataset)}")
        if indices is not None and per_class is not None:
            raise ValueError(
                f"give indices or per_class, not both: got indices={indices!r} and per_class={per_class!r}"
            )
        if per_class is not None:
            indices = first_per_class(dataset, checked_count("per_class", per_class), label_key)
        elif indices is None:
            indices = range(min(DEFAULT_COUNT, len(dataset)))
        images, labels = read_items(dataset, indices, image_key, label_key)
        samples = cls(images, labels, class_names=class_names, mean=mean, std=std)
        return samples.with_display_from(dataset)

    @classmethod
    def from_files(
        cls,
        paths: Sequence[str | os.PathLike[str]],
        transform: Callable[[Image.Image], Tensor],
        *,
        labels: Sequence[int] | Tensor | None = None,
        class_names: Sequence[str] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> FixedSamples:
        """Reads pictures from files: what `transform` makes of them for the model, the pictures themselves for people.

        Args:
            paths: files that Pillow can read; turned upright by their EXIF orientation and converted to RGB.
            transform: takes a PIL image, returns (C, H, W) floating point as the model takes it, of one shape for all.
            labels: the class index of each picture.
            class_names: the name of each class.
            mean: None: found in `transform`, with `std`.
            std: see `mean`.

        Raises:
            TypeError: if `paths` is a single path.
            ValueError: if a file cannot be read, or the transformed pictures are not images of one shape.
        """
        images, originals = read_files(paths, transform)
        indices = None if labels is None else torch.as_tensor(labels)
        samples = cls(images, indices, class_names=class_names, mean=mean, std=std, originals=originals)
        return samples.with_display_from(transform)

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> FixedSamples:
        """Returns the samples whose `state_dict` this is."""
        originals = state["originals"]
        return cls(**{**state, "originals": originals and [picture.cpu().numpy() for picture in originals]})

    def state_dict(self) -> dict[str, Any]:
        """Returns everything as tensors and primitives, for ``torch.load(weights_only=True)``."""
        return {
            "images": self.images,
            "labels": self.labels,
            "class_names": self.class_names,
            "mean": self.mean,
            "std": self.std,
            "originals": self.originals and [torch.from_numpy(picture) for picture in self.originals],
            "regions": self.regions,
        }

    def with_display_defaults(
        self,
        *,
        class_names: Sequence[str] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> FixedSamples:
        """Returns a copy with class names and normalisation filled in where these samples have none.

        Raises:
            TypeError: as the constructor.
            ValueError: as the constructor.
        """
        return FixedSamples(
            self.images,
            self.labels,
            class_names=class_names if self.class_names is None else self.class_names,
            mean=mean if self.mean is None else self.mean,
            std=std if self.std is None else self.std,
            originals=self.originals,
            regions=self.regions,
        )

    def with_display_from(self, thing: object) -> FixedSamples:
        """Returns a copy in which what is missing is filled in from a dataset or transform, as far as it fits."""
        class_names = find_class_names(thing)
        if class_names is not None and self.labels is not None and int(self.labels.max()) >= len(class_names):
            class_names = None
        mean, std = find_normalization(thing) or (None, None)
        if mean is not None and std is not None and not {len(mean), len(std)} <= {1, self.images.shape[1]}:
            mean = std = None
        return self.with_display_defaults(class_names=class_names, mean=mean, std=std)

    def class_name(self, index: int) -> str:
        """Returns the name of a class, or its index as text where it has no name."""
        if self.class_names is None or not 0 <= index < len(self.class_names):
            return str(index)
        return self.class_names[index]

    def pictures(self) -> list[RGB]:
        """Returns the model's input as pictures, (H, W, 3) uint8 RGB each, with the normalisation undone.

        Without `mean` and `std`, images within 0..1 are shown as they are; otherwise each is scaled to its own range,
        and a constant one is mid grey. One channel becomes grey, two or more than three their mean. NaN is black.
        """
        return list(self._pictures)

    @cached_property
    def _pictures(self) -> list[RGB]:
        return to_pictures(self.images, self._normalization)

    def denormalized(self) -> Tensor:
        """Returns the images (N, C, H, W) with the normalisation undone as far as it is known, not clipped."""
        return denormalized(self.images, self._normalization)

    def display_pictures(self) -> list[RGB]:
        """Returns what to show people: `originals` where there are any, otherwise `pictures`."""
        return self.pictures() if self.originals is None else list(self.originals)

    def display_note(self) -> str | None:
        """Returns what a reader should be told once about `display_pictures`: own scaling, averaged channels."""
        return picture_note(self.images, self._normalization) if self.originals is None else None
