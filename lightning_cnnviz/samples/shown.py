"""Images as the model takes them, with what is needed to show them to people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lightning_cnnviz.arguments import instance
from lightning_cnnviz.output.artifacts import RGB
from lightning_cnnviz.render.placing import Box
from lightning_cnnviz.samples.checks import (
    checked_bands,
    checked_boxes,
    checked_class_names,
    checked_copies,
    checked_images,
    checked_labels,
    checked_normalization,
    checked_originals,
    checked_regions,
)
from lightning_cnnviz.samples.datasets import BYTES
from lightning_cnnviz.samples.labels import labels_and_truth
from lightning_cnnviz.samples.origin import Origin
from lightning_cnnviz.samples.perturbations import Perturbation
from lightning_cnnviz.samples.pictures import denormalized, normalized, picture_note, to_pictures
from lightning_cnnviz.samples.state import packed, unpacked
from lightning_cnnviz.samples.truth import Truth

if TYPE_CHECKING:
    from typing_extensions import Self  # a part of typing from Python 3.11 on


class ShownSamples:
    """What :class:`~lightning_cnnviz.FixedSamples` holds, and how it is shown.

    The arguments are described there.
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
        original_boxes: Tensor | None = None,
        bands: Sequence[int] | None = None,
        perturbed: Mapping[str, Tensor | Perturbation] | None = None,
        truth: Truth | None = None,
        origin: Origin | None = None,
    ) -> None:
        if truth is not None:
            instance("truth", truth, Truth, "a Truth")
        if origin is not None:
            instance("origin", origin, Origin, "an Origin")
        if perturbed is not None:
            instance("perturbed", perturbed, Mapping, "a mapping from names to images or perturbations")
        self.images = checked_images(images)
        self.class_names = checked_class_names(class_names)
        labels, truth = labels_and_truth(labels, truth, len(images))
        self.labels = checked_labels(labels, len(images), self.class_names)
        self.origin = origin or Origin()
        if self.origin.form.dtype == torch.uint8:  # the model undoes it itself
            mean, std = BYTES
        self._normalization = checked_normalization(mean, std, images.shape[1])
        self.mean, self.std = self._normalization or (None, None)
        self.originals = checked_originals(originals, len(images))
        self.regions = checked_regions(regions, (len(images), images.shape[2], images.shape[3]))
        self.original_boxes = checked_boxes(original_boxes, self.originals)
        self.bands = checked_bands(bands, images.shape[1])
        self.truth = truth if truth is not None or self.labels is None else Truth("classes", self.labels)
        copies = {
            name: value(self) if isinstance(value, Perturbation) else value for name, value in (perturbed or {}).items()
        }
        self.perturbed = checked_copies(copies, self.images)

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        facts = [f"{len(self)} x {tuple(self.images.shape[1:])}"]
        facts += ["labels"] * (self.labels is not None)
        facts += [f"{len(self.class_names)} class names"] if self.class_names is not None else []
        facts += ["normalisation"] * (self.mean is not None)
        facts += ["originals"] * (self.originals is not None)
        facts += ["regions"] * (self.regions is not None)
        facts += [f"perturbed {', '.join(self.perturbed)}"] if self.perturbed else []
        return f"{type(self).__name__}({', '.join(facts)})"

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """Returns the samples whose `state_dict` this is."""
        return cls(**unpacked(state))

    def state_dict(self) -> dict[str, Any]:
        """Returns everything as tensors and primitives, for ``torch.load(weights_only=True)``."""
        return packed(self._arguments())

    def _arguments(self) -> dict[str, Any]:
        return {
            "images": self.images,
            "labels": self.labels,
            "class_names": self.class_names,
            "mean": self.mean,
            "std": self.std,
            "originals": self.originals,
            "regions": self.regions,
            "original_boxes": self.original_boxes,
            "bands": self.bands,
            "perturbed": self.perturbed,
            "truth": self.truth,
            "origin": self.origin,
        }

    def _with(self, **changes: Any) -> Self:
        return type(self)(**{**self._arguments(), **changes})

    def class_name(self, index: int) -> str:
        """Returns the name of a class, or its index as text where it has no name."""
        if self.class_names is None or not 0 <= index < len(self.class_names):
            return str(index)
        return self.class_names[index]

    def class_title(self, index: int) -> str:
        """Returns the name of a class as it stands by itself, ``class 4`` where it has no name."""
        has_name = self.class_names is not None and 0 <= index < len(self.class_names)
        return self.class_name(index) if has_name else f"class {index}"

    def pictures(self) -> list[RGB]:
        """Returns the model's input as pictures, (H, W, 3) uint8 RGB each, with the normalisation undone.

        Without `mean` and `std`, images within 0..1 are shown as they are; otherwise each is scaled to its own range,
        and a constant one is mid grey. One channel becomes grey, two their mean, more than three show `bands`. NaN is
        black.
        """
        return list(self._pictures)

    @cached_property
    def _pictures(self) -> list[RGB]:
        return to_pictures(self.images, self._normalization, self.bands)

    def denormalized(self) -> Tensor:
        """Returns the images (N, C, H, W) with the normalisation undone as far as it is known, not clipped."""
        return denormalized(self.images, self._normalization)

    def denormalized_copy(self, name: str) -> Tensor:
        """Returns the perturbed copies of a name with the normalisation undone as far as it is known."""
        return denormalized(self.perturbed[name], self._normalization)

    def normalized(self, images: Tensor) -> Tensor:
        """Returns images (N, C, H, W) in the values of a picture as the model takes them; undoes `denormalized`."""
        return normalized(images, self._normalization)

    def display_pictures(self) -> list[RGB]:
        """Returns what to show people: `originals` where there are any, otherwise `pictures`."""
        return self.pictures() if self.originals is None else list(self.originals)

    def display_boxes(self) -> Tensor:
        """Returns where the model's input lies in each of `display_pictures`, (N, 4) float.

        Left, top, right and bottom edge in pixels of the picture, from its upper left corner: a map of the input covers
        this box, whatever its resolution. Edges beyond the picture: the input is padded there. Left beyond right: the
        input is mirrored. Top beyond bottom: it stands on its head.
        """
        if self.original_boxes is not None:
            return self.original_boxes.clone()
        sizes = [(picture.shape[1], picture.shape[0]) for picture in self.display_pictures()]
        return torch.tensor([(0, 0, width, height) for width, height in sizes], dtype=torch.float32)

    def parts_shown(self) -> list[Box | None]:
        """Returns `display_boxes` as tuples, None where the model sees the whole picture as it is."""
        if self.original_boxes is None or self.originals is None:
            return [None] * len(self)
        boxes: list[Box | None] = []
        for (left, top, right, bottom), picture in zip(self.original_boxes.tolist(), self.originals, strict=True):
            whole = (0.0, 0.0, float(picture.shape[1]), float(picture.shape[0]))
            boxes.append(None if (left, top, right, bottom) == whole else (left, top, right, bottom))
        return boxes

    def display_note(self) -> str | None:
        """Returns what a reader should be told once about `display_pictures`: own scaling, which channels are shown."""
        own = picture_note(self.images, self._normalization, self.bands) if self.originals is None else None
        return " ".join([*self.origin.notes, *([] if own is None else [own])]) or None
