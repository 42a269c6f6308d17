"""Finding the images and the labels in whatever a DataLoader hands over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

DEFAULT_IMAGE_KEY = 0
DEFAULT_LABEL_KEY = 1
IMAGE_NAMES = ("image", "images", "img", "x", "input", "inputs", "pixel_values")
LABEL_NAMES = ("label", "labels", "target", "targets", "y", "class")


def unpack(
    batch: object, image_key: int | str = DEFAULT_IMAGE_KEY, label_key: int | str | None = DEFAULT_LABEL_KEY
) -> tuple[Tensor, Tensor | None]:
    """Returns the images and, where there is one class per image, the labels of a batch.

    A batch is a bare tensor of images, a tuple or list (integer keys), a mapping (its keys; the default integer keys
    try names such as ``"image"`` and ``"label"``) or an object (attribute names). A dotted key goes into nested
    batches: ``"inputs.image"``, ``"0.image"``.

    Args:
        batch: what the DataLoader yields.
        image_key: where the images are.
        label_key: where the labels are; None if there are none.

    Returns:
        The images, (N, C, H, W) floating point, and the labels, (N,) int64 class indices on their own device. One-hot
        labels become indices. Labels are None when the default key finds none, or when they are not one class index
        per image: several labels per image, boxes, masks, strings, negative numbers.

    Raises:
        ValueError: if a key is not in the batch, or the images are not a 4-D floating point tensor.

    Example:
        >>> images, labels = unpack({"image": torch.zeros(2, 3, 8, 8), "label": torch.tensor([[0, 1], [1, 0]])})
        >>> labels
        tensor([1, 0])
    """
    images = find_image(batch, image_key)
    if not isinstance(images, Tensor) or images.ndim != 4 or not images.is_floating_point():
        raise ValueError(
            f"image_key={image_key!r} gave {describe(images)}, but the images must be a floating point tensor of shape "
            "(N, C, H, W): set image_key to where they are in the batch, for example 0, 'image' or '0.image'"
        )
    return images, class_indices(find_label(batch, label_key), len(images))


def find_image(batch: object, key: int | str) -> object:
    """Returns what `batch`, or one item of a dataset, has under `key`; a bare tensor is the images itself."""
    if isinstance(batch, Tensor):
        return batch
    try:
        return _look_up_or_guess(batch, key, DEFAULT_IMAGE_KEY, IMAGE_NAMES)
    except LookupError as error:
        raise ValueError(f"image_key={key!r} finds no images: {error}") from None


def find_label(batch: object, key: int | str | None) -> object:
    """Returns what `batch`, or one item of a dataset, has under `key`; None where the default key finds nothing."""
    if key is None or isinstance(batch, Tensor):
        return None
    try:
        return _look_up_or_guess(batch, key, DEFAULT_LABEL_KEY, LABEL_NAMES)
    except LookupError as error:
        if key == DEFAULT_LABEL_KEY:
            return None
        raise ValueError(f"label_key={key!r} finds no labels: {error}") from None


def class_indices(labels: object, count: int) -> Tensor | None:
    """Returns `labels` as (count,) int64 class indices, or None if they are not one class per image."""
    if labels is None:
        return None
    try:
        indices = torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError):  # strings, dictionaries, lists of boxes
        return None
    if indices.shape == (count, 1):
        indices = indices.squeeze(1)
    elif indices.ndim == 2 and len(indices) == count and _is_one_hot(indices):
        indices = indices.long().argmax(dim=1)
    # A bool or a float is a yes or a measurement, not the index of a class.
    is_index = not indices.is_floating_point() and not indices.is_complex() and indices.dtype != torch.bool
    if indices.shape != (count,) or not is_index:
        return None
    indices = indices.long()
    return None if bool((indices < 0).any()) else indices


def describe(value: object) -> str:
    """Says in a few words what `value` is, for error messages."""
    if isinstance(value, Tensor | np.ndarray):
        return f"{type(value).__name__} of shape {tuple(value.shape)} and dtype {value.dtype}"
    if isinstance(value, Mapping):
        return f"{type(value).__name__} with the keys {list(value)}"
    if isinstance(value, list | tuple):
        fields = f" with the fields {list(value._fields)}" if hasattr(value, "_fields") else ""
        return f"{type(value).__name__} of length {len(value)}{fields}"
    attributes = [name for name in getattr(value, "__dict__", {}) if not name.startswith("_")]
    return f"{type(value).__name__}" + (f" with the attributes {attributes}" if attributes else "")


def _look_up_or_guess(batch: object, key: int | str, default: int, names: Sequence[str]) -> object:
    if isinstance(batch, Mapping) and key == default and key not in batch:
        for name in names:
            if name in batch:
                return batch[name]
    return _look_up(batch, key)


def _look_up(container: object, key: int | str) -> object:
    if isinstance(container, Mapping):
        if key in container:
            return container[key]
    elif isinstance(container, list | tuple) and (isinstance(key, int) or key.isdecimal()):
        if -len(container) <= int(key) < len(container):
            return container[int(key)]
    elif isinstance(key, str) and hasattr(container, key):
        return getattr(container, key)
    if isinstance(key, str) and "." in key:
        first, rest = key.split(".", maxsplit=1)
        return _look_up(_look_up(container, first), rest)
    raise LookupError(f"there is no {key!r} in {describe(container)}")


def _is_one_hot(labels: Tensor) -> bool:
    return bool(((labels == 0) | (labels == 1)).all()) and bool((labels.sum(dim=1) == 1).all())
