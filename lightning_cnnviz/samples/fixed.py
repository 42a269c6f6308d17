"""The fixed images on which every epoch is judged."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from lightning_cnnviz.arguments import all_indices, flag, function, integer, shown, text
from lightning_cnnviz.keys import optional_key, required_key
from lightning_cnnviz.samples.batches import DEFAULT_IMAGE_KEY, DEFAULT_LABEL_KEY
from lightning_cnnviz.samples.copies import CopiedSamples
from lightning_cnnviz.samples.forms import describe
from lightning_cnnviz.samples.origin import AS_THE_MODEL_SEES, Origin, RawBatch
from lightning_cnnviz.samples.perturbations import Corner, Mark, Patch, Perturbation
from lightning_cnnviz.samples.pictures import shows_all_of
from lightning_cnnviz.samples.reading import first_per_class, read_files, read_items

DEFAULT_COUNT = 8
"""How many samples are taken when nobody says how many."""


class FixedSamples(CopiedSamples):
    """Images as the model takes them, with what is needed to show them to people.

    Args:
        images: (N, C, H, W) floating point, normalised as for training. Copied to the CPU.
        labels: (N,) class indices, any integer dtype; also what else a batch says of its images: several labels of each
            as 0s and 1s (N, labels), numbers to be predicted (N, numbers), masks (N, H, W).
        class_names: the name of each class, in the order of the model's outputs.
        mean: what the model's preprocessing subtracted from each channel (C numbers, or one), for values in 0..1.
        std: by what it then divided each channel.
        originals: N pictures in their own resolution, (H, W, 3) uint8 RGB each, to be shown instead of `images`.
        regions: where the object is, to be compared with where the model looks: boolean masks (N, H, W), or integer
            boxes (N, 4) as left, top, right, bottom in pixels of `images`, right and bottom just outside the box.
        original_boxes: (N, 4) where the left, top, right and bottom edge of each image lie in its original, in pixels
            from the upper left corner: left beyond right where the image is mirrored, top beyond bottom where it stands
            on its head. None: each image shows the whole of its original.
        bands: the three channels shown as red, green and blue where there are more than three.
        perturbed: counterfactual copies of all samples by name, images (N, C, H, W) or a
            :class:`~lightning_cnnviz.samples.Perturbation` that makes them; see `with_patch`.
        truth: what is true of each image where that is not one class, see :class:`~lightning_cnnviz.samples.Truth`.
        origin: how the images came; made by those who read them.

    Attributes:
        images: as given, on the CPU and without gradient.
        labels: (N,) int64, or None.
        class_names: a tuple of str, or None.
        mean: a tuple of float, or None.
        std: a tuple of float, or None.
        originals: a tuple of arrays, or None.
        regions: (N, H, W) bool, or None.
        original_boxes: (N, 4) float32, or None.
        bands: three channels, or None.
        perturbed: a dict of tensors (N, C, H, W), empty where there are none.
        truth: of any kind, the labels' where there is no other, or None.
        origin: how the images came.

    Raises:
        TypeError: if an argument is of the wrong kind or dtype.
        ValueError: if shapes or values do not fit together.

    Example:
        >>> FixedSamples(torch.rand(2, 3, 32, 32), torch.tensor([0, 1]), class_names=["cat", "dog"])
        FixedSamples(2 x (3, 32, 32), labels, 2 class names)
    """

    @classmethod
    def from_dataset(
        cls,
        dataset: Any,
        indices: Sequence[int] | None = None,
        per_class: int | None = None,
        *,
        image_key: int | str = DEFAULT_IMAGE_KEY,
        label_key: int | str | None = DEFAULT_LABEL_KEY,
        class_names: Sequence[str] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        bands: Sequence[int] | None = None,
        perturbed: Mapping[str, Perturbation] | None = None,
        apply_batch_hooks: bool = True,
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
            bands: see the constructor.
            perturbed: see the constructor.
            apply_batch_hooks: whether the samples go through the model's own ``on_before_batch_transfer`` and
                ``on_after_batch_transfer`` before it sees them, as the batches of its loaders do.

        Raises:
            TypeError: if `dataset` cannot be read by index, or `indices` are not integers.
            ValueError: if both `indices` and `per_class` are given, an index is out of range, or the items are not
                images of one shape.
        """
        if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__") or getattr(dataset, "ndim", 1) == 0:
            raise TypeError(f"dataset must have a length and be read by index, got {describe(dataset)}")
        image_key, label_key = required_key("image_key", image_key), optional_key("label_key", label_key)
        flag("apply_batch_hooks", apply_batch_hooks)
        if indices is not None and per_class is not None:
            raise ValueError(
                f"give indices or per_class, not both: got indices={shown(indices)} and per_class={shown(per_class)}"
            )
        if per_class is not None:
            indices = first_per_class(dataset, integer("per_class", per_class, least=1), image_key, label_key)
        elif indices is None:
            indices = range(min(DEFAULT_COUNT, len(dataset)))
        images, truth, origin = read_items(dataset, indices, image_key, label_key)
        samples = cls(
            images,
            class_names=class_names,
            mean=mean,
            std=std,
            bands=bands,
            truth=truth,
            origin=origin if apply_batch_hooks else replace(origin, raw=None),
        ).with_display_from(dataset)
        return samples._with(perturbed=perturbed)

    @classmethod
    def from_files(
        cls,
        paths: str | Sequence[str | os.PathLike[str]],
        transform: Callable[[Any], Any],
        *,
        labels: Sequence[int] | None = None,
        class_names: Sequence[str] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        perturbed: Mapping[str, Perturbation] | None = None,
        apply_batch_hooks: bool = True,
    ) -> FixedSamples:
        """Reads pictures from files: what `transform` makes of them for the model, the pictures themselves for people.

        Maps are laid over the pictures where the transform resized and cropped them from. That is followed through
        torchvision's ``Resize``, ``CenterCrop``, ``Pad`` and flips in any nesting; what another
        transform made is compared with the picture, and where it does not show all of it, the samples are shown as the
        model sees them, and a remark says so.

        Args:
            paths: files that Pillow can read; turned upright by their EXIF orientation and converted to RGB.
            transform: takes a PIL image, returns (C, H, W) floating point as the model takes it, of one shape for all.
            labels: the class index of each picture.
            class_names: the name of each class.
            mean: None: found in `transform`, with `std`.
            std: see `mean`.
            perturbed: see the constructor.
            apply_batch_hooks: see `from_dataset`.

        Raises:
            TypeError: if `paths` is a single path.
            ValueError: if a file cannot be read, or the transformed pictures are not images of one shape.
        """
        function("transform", transform, "a function from a PIL image to a tensor")
        flag("apply_batch_hooks", apply_batch_hooks)
        images, originals, boxes = read_files(paths, transform)
        classes = None if labels is None else torch.tensor(all_indices("labels", labels))
        raw = RawBatch((images, torch.zeros(len(images), dtype=torch.int64) if classes is None else classes))
        samples = cls(
            images,
            classes,
            class_names=class_names,
            mean=mean,
            std=std,
            originals=originals,
            original_boxes=None if isinstance(boxes, str) else torch.tensor(boxes),
            origin=Origin(raw=raw if apply_batch_hooks else None),
        ).with_display_from(transform)
        if isinstance(boxes, str) and not all(map(shows_all_of, samples.pictures(), originals)):
            notes = (f"{AS_THE_MODEL_SEES}: {boxes}.",)
            samples = samples._with(originals=None, origin=replace(samples.origin, notes=notes))
        return samples._with(perturbed=perturbed)

    def with_perturbed(self, **perturbed: Tensor | Perturbation) -> FixedSamples:
        """Returns the same samples with more counterfactual copies: of each a change that should not change the class.

        The share of samples whose class changes in the copy says how much the model relies on what was changed.

        Args:
            **perturbed: by name, changed images (N, C, H, W), or what makes them, such as ``mark=Mark()``,
                ``occluded=Occlusion((0.25, 0.25, 0.75, 0.75))``, ``background=Background()``, ``grey=Recolor()``.
        """
        return self._with(perturbed={**self.perturbed, **perturbed})

    def with_patch(
        self, patch: Tensor | None = None, at: Corner | tuple[int, int] = "bottom right", *, name: str = "patch"
    ) -> FixedSamples:
        """Returns the same samples with a counterfactual copy that has a patch in it.

        Args:
            patch: (C, h, w) in the values of a picture, 0 to 1; None: a white square, a seventh of the shorter side.
            at: where: a corner, or the row and the column of the patch's upper left pixel.
            name: what the copy is called.

        Example:
            >>> samples = FixedSamples(torch.zeros(2, 1, 8, 8)).with_patch(torch.ones(1, 2, 2), (0, 6))
            >>> samples.perturbed["patch"][0, 0, :3, 5:]
            tensor([[0., 1., 1.],
                    [0., 1., 1.],
                    [0., 0., 0.]])
        """
        text("name", name)
        if patch is None:
            if not isinstance(at, str):
                raise ValueError(f"at={shown(at)} needs a patch: without one, at is a corner such as 'top left'")
            return self.with_perturbed(**{name: Mark(at=at)})
        return self.with_perturbed(**{name: Patch(patch, at)})

    def perturbed_samples(self, name: str) -> FixedSamples:
        """Returns the copies of a name as samples of their own, shown as they are.

        Raises:
            ValueError: there are none of that name.
        """
        if text("name", name) not in self.perturbed:
            raise ValueError(f"name: there is no perturbed copy {name!r}: there are {list(self.perturbed)}")
        return self.with_images(self.perturbed[name])
