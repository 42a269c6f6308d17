"""Finding the images and the labels in whatever a DataLoader hands over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from lightning_cnnviz.samples.datasets import attribute
from lightning_cnnviz.samples.forms import Form, as_images, describe
from lightning_cnnviz.samples.labels import read_truth
from lightning_cnnviz.samples.searching import (
    IMAGE_NAMES,
    find_images,
    find_labels,
    has_key,
    has_other_views,
    holds_only_images,
    is_image,
    label_by_name,
)
from lightning_cnnviz.samples.truth import Truth

DEFAULT_IMAGE_KEY = 0
DEFAULT_LABEL_KEY = 1


@dataclass(frozen=True)
class Batch:
    """What was found in a batch.

    Attributes:
        images: (N, C, H, W) floating point.
        labels: what was found as labels, as it came.
        truth: what they say; None if nothing that can be read.
        form: how the images came.
        behind: of a single image what would be its label if the one found were its number in the dataset.
    """

    images: Tensor
    labels: object
    truth: Truth | None
    form: Form
    behind: object = None


def unpack(
    batch: object, image_key: int | str = DEFAULT_IMAGE_KEY, label_key: int | str | None = DEFAULT_LABEL_KEY
) -> tuple[Tensor, Tensor | None]:
    """Returns the images and, where there is one class per image, the labels of a batch.

    A batch is a bare tensor of images, a tuple or list (integer keys), a mapping (its keys) or an object (attribute
    names), nested in any way. The default integer keys look for them: the first tensor that may be images, and the
    labels beside it, by names such as ``"image"`` and ``"label"`` where there are names; sample numbers between images
    and labels are passed over. Of several views of each image the first is taken. A dotted key goes into nested
    batches: ``"inputs.image"``, ``"0.image"``.

    Args:
        batch: what the DataLoader yields.
        image_key: where the images are.
        label_key: where the labels are; None if there are none.

    Returns:
        The images, (N, C, H, W) floating point (bytes as 0 to 255), and the labels, (N,) int64 class indices on their
        own device. One-hot labels become indices. Labels are None when the default key finds none, or when they are not
        one class index per image: several labels per image, boxes, masks, strings, negative numbers.

    Raises:
        ValueError: if a key is not in the batch, or there are no images.

    Example:
        >>> import torch
        >>> images, labels = unpack({"image": torch.zeros(2, 3, 8, 8), "label": torch.tensor([[0, 1], [1, 0]])})
        >>> labels
        tensor([1, 0])
    """
    found = read_batch(batch, image_key, label_key)
    return found.images, None if found.truth is None else found.truth.labels


def read_batch(
    batch: object, image_key: int | str = DEFAULT_IMAGE_KEY, label_key: int | str | None = DEFAULT_LABEL_KEY
) -> Batch:
    """Returns images, labels of any kind, and the form in which the images came; see :func:`unpack`.

    Raises:
        ValueError: if a key is not in the batch, or there are no images.
    """
    found, trail = _images_of(batch, image_key, (4, 5))
    images, form = as_images(found, image_key)
    labels = _labels_of(batch, label_key, trail, len(images))
    unlabelled = has_other_views(trail) or holds_only_images(batch, (4, 5))
    form = replace(form, unlabelled=unlabelled, batch=len(images))
    behind = _labels_of(batch, label_key, trail, 1, behind=True) if len(images) == 1 else None
    return Batch(images, labels, read_truth(labels, len(images)), form, None if behind is labels else behind)


def find_image(item: object, key: int | str) -> object:
    """Returns what one item of a dataset has under `key`; a bare tensor is the image itself."""
    return _images_of(item, key, (3,))[0]


def trains_without_labels(item: object, image_key: int | str) -> bool:
    """Whether one item of a dataset holds several views of an image, or nothing but an image."""
    return has_other_views(_images_of(item, image_key, (3,))[1]) or holds_only_images(item, (3,))


def find_label(item: object, image_key: int | str, label_key: int | str | None, *, behind: bool = False) -> object:
    """Returns what one item of a dataset has under `label_key`; None where the default key finds nothing.

    With `behind` what would be its label if the one found were its number in the dataset.
    """
    if label_key is None or isinstance(item, Tensor):
        return None
    try:
        trail = _images_of(item, image_key, (3,))[1]
    except ValueError:  # no image yet, because a transform is missing: labels are found all the same
        trail = []
    return _labels_of(item, label_key, trail, None, behind=behind)


_Trail = list[tuple[object, int | str]]


def _images_of(batch: object, key: int | str, dims: tuple[int, ...]) -> tuple[object, _Trail]:
    """What is at `key`, or the first images in it, and the way there; the default key looks everywhere."""
    if isinstance(batch, Tensor):
        return batch, []
    if _is_default(key, DEFAULT_IMAGE_KEY):
        trail = find_images(batch, dims)
        if trail is not None:
            return _look_up(*trail[-1]), trail
    try:
        found = _look_up_or_guess(batch, key)
    except LookupError as error:
        raise ValueError(f"image_key={key!r} finds no images: {error}") from None
    inside = None if is_image(found, dims) else find_images(found, dims)
    return (found, [(batch, key)]) if inside is None else (_look_up(*inside[-1]), [(batch, key), *inside])


def _labels_of(
    batch: object, key: int | str | None, trail: _Trail, count: int | None, *, behind: bool = False
) -> object:
    if key is None or isinstance(batch, Tensor):
        return None
    if not _is_default(key, DEFAULT_LABEL_KEY):
        error: LookupError | None = None
        for container in (batch, *(inner for inner, _ in reversed(trail))):
            try:
                return _look_up(container, key)
            except LookupError as missing:
                error = error or missing
        raise ValueError(f"label_key={key!r} finds no labels: {error}") from None
    # Where the user said where the images are, or there are none, labels are in their usual place.
    unusual = not trail or (isinstance(batch, list | tuple) and isinstance(trail[0][1], str))
    if unusual or has_key(batch, DEFAULT_LABEL_KEY):
        try:
            return _look_up(batch, DEFAULT_LABEL_KEY)
        except LookupError:
            return label_by_name(batch)
    return find_labels(trail, count, behind=behind)


def _is_default(key: int | str | None, default: int) -> bool:
    return isinstance(key, int) and key == default


def _look_up_or_guess(batch: object, key: int | str) -> object:
    if isinstance(batch, Mapping) and _is_default(key, DEFAULT_IMAGE_KEY) and not has_key(batch, key):
        for name in IMAGE_NAMES:
            if has_key(batch, name):
                return batch[name]
    return _look_up(batch, key)


def _look_up(container: object, key: int | str) -> object:
    if isinstance(container, Mapping):
        if has_key(container, key):
            return container[key]
    elif isinstance(container, list | tuple) and (isinstance(key, int) or key.isdecimal()):
        if -len(container) <= int(key) < len(container):
            return container[int(key)]
    elif isinstance(key, str) and attribute(container, key) is not None:
        return attribute(container, key)
    if isinstance(key, str) and "." in key:
        first, rest = key.split(".", maxsplit=1)
        return _look_up(_look_up(container, first), rest)
    raise LookupError(f"there is no {key!r} in {describe(container)}")
