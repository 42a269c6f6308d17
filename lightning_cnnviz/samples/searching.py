"""Finding images and labels by what they look like, in batches and items of any nesting."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lightning_cnnviz.samples.datasets import attribute
from lightning_cnnviz.samples.labels import classes_with_gaps, read_truth

IMAGE_NAMES = (
    *("image", "images", "img", "imgs", "x", "input", "inputs", "pixel_values", "picture", "pictures", "views"),
)
LABEL_NAMES = (
    *("label", "labels", "target", "targets", "y", "class", "classes", "cls", "gt_label", "mask", "masks", "gt_mask"),
    *("depth", "seg", "segmentation", "semantic", "lbl", "lab", "gt", "ground_truth", "annotation", "annotations"),
    *("class_id", "class_idx", "class_label", "category", "digit"),
)
_UNMISTAKABLE = ("masks", "multi_hot")
_OF_PADDING = ("attention", "pixel_mask", "valid", "padding")

_DEEPEST = 4


def has_key(container: object, key: int | str) -> bool:
    """Whether a mapping has a key; some answer ``in`` with an exception."""
    if not isinstance(container, Mapping):
        return False
    try:
        return key in container
    except Exception:  # a TensorDict of some versions
        return key in list(container.keys())


def entries(container: object) -> list[tuple[int | str, Any]]:
    """What a mapping, sequence or object holds, each under its key, index or attribute; the names of images first."""
    if isinstance(container, Mapping):
        keys = sorted(container.keys(), key=_not_an_image_name)
        return [(key, container[key]) for key in keys]
    if isinstance(container, list | tuple):
        return list(enumerate(container))
    if container is None or isinstance(container, Tensor | np.ndarray | str | bytes | int | float | nn.Module | type):
        return []
    if dataclasses.is_dataclass(container):
        names = [field.name for field in dataclasses.fields(container)]
    else:
        names = [*getattr(container, "__dict__", {})]
        names += [name for name in IMAGE_NAMES if name not in names and attribute(container, name) is not None]
    public = (name for name in names if not name.startswith("_"))
    return [(name, attribute(container, name)) for name in sorted(public, key=_not_an_image_name)]


def is_image(value: object, dims: Sequence[int]) -> bool:
    """Whether a value may be images: so many dimensions, of floats or bytes."""
    if not isinstance(value, Tensor | np.ndarray) or value.ndim not in dims:
        return False
    return _is_float_or_byte(value)


def find_images(container: object, dims: Sequence[int], depth: int = _DEEPEST) -> list[tuple[object, int | str]] | None:
    """The way to the first images: the containers on it, from the outside in, each with the key that leads on."""
    if depth == 0:
        return None
    for key, value in entries(container):
        if is_image(value, dims):
            return [(container, key)]
        trail = find_images(value, dims, depth - 1)
        if trail is not None:
            return [(container, key), *trail]
    return None


def find_labels(trail: Sequence[tuple[object, int | str]], count: int | None, *, behind: bool = False) -> object:
    """The labels beside images, looked for in the innermost of the containers first; None where there are none.

    In a sequence they follow the images, and stand before them where nothing follows; sample numbers that count up one
    by one, and several floats of each image such as columns of a table, are passed over where classes come later. In a
    mapping or object they have one of the usual names.

    Args:
        trail: the way to the images.
        count: how many images there are; None for a single item, whose label has no dimension for it.
        behind: whether to pass over the first of two places with a class: of one image nothing tells a sample number.
    """
    for container, key in reversed(trail):
        found = _labels_in(container, key, count, behind)
        if found is not None:
            return found
    return None


def has_other_views(trail: Sequence[tuple[object, int | str]]) -> bool:
    """Whether a list of views of each image is where the way to the images leads, as contrastive learning has it."""
    if not trail:
        return False
    container, key = trail[-1]
    beside = dict(entries(container))
    images = beside.pop(key, None)
    return any(_is_another_view(value, images) for value in beside.values())


def holds_only_images(batch: object, dims: Sequence[int], depth: int = _DEEPEST) -> bool:
    """Whether there are no numbers in a batch but images, names of files aside."""
    inside = entries(batch)
    if not inside or depth == 0:
        return is_image(batch, dims) or _is_text(batch)
    return all(holds_only_images(value, dims, depth - 1) for _, value in inside)


def label_by_name(container: object) -> object:
    """What a mapping or an object has under the first of the usual names; None where it has none of them."""
    for name in LABEL_NAMES:
        if isinstance(container, Mapping):
            if has_key(container, name):
                return container[name]
        else:
            found = attribute(container, name)
            if found is not None and not callable(found):
                return found
    return None


def _labels_in(container: object, key: int | str, count: int | None, behind: bool) -> object:
    if not isinstance(container, list | tuple):
        named = label_by_name(container)
        return _only_masks_or_labels(container, key, count) if named is None else named
    if hasattr(container, "_fields"):
        named = label_by_name(container)
        if named is not None:
            return named
    position = int(key) % len(container)
    order = [*range(position + 1, len(container)), *reversed(range(position))]
    for place in order:
        value = container[place]
        if _truth(value, count) is None or _is_another_view(value, container[position]):
            # What stands beside the images and cannot be read is their truth all the same; names of files are not.
            if _is_text(value):
                continue
            return value if _has_gaps(value, count) else None
        later = [container[other] for other in order[order.index(place) + 1 :]]
        beside = counts_up(value) or _is_row_of_floats(value, count)
        is_first, behind = behind and _is_class(value, count), False
        if (beside or is_first) and any(_is_class(other, count) and not counts_up(other) for other in later):
            continue
        return value
    return None


def _only_masks_or_labels(container: object, key: int | str, count: int | None) -> object:
    """Masks, or 0s and 1s for each of several labels, under a name that nobody knows; None where several may be.

    Masks of one value say which pixels or words count, not what they show.
    """
    beside = dict(entries(container)) if isinstance(container, Mapping) else {}
    images = beside.pop(key, None)
    found = []
    for name, value in beside.items():
        if _is_another_view(value, images) or any(word in str(name) for word in _OF_PADDING):
            continue
        truth = _truth(value, count)
        if truth is not None and truth.kind in _UNMISTAKABLE and len(truth.values.unique()) > 1:
            found.append(value)
    return found[0] if len(found) == 1 else None


def counts_up(values: object) -> bool:
    """Whether these are the numbers of the samples in their dataset: several integers, each one more than the last."""
    if not isinstance(values, Tensor) or values.ndim != 1 or len(values) < 2 or values.is_floating_point():
        return False
    return values.dtype != torch.bool and bool((values.long().diff() == 1).all())


def _is_row_of_floats(value: object, count: int | None) -> bool:
    truth = _truth(value, count)
    return truth is not None and truth.kind == "values" and truth.values.shape[1] > 1


def _is_class(value: object, count: int | None) -> bool:
    truth = _truth(value, count)
    return truth is not None and truth.kind == "classes"


def _truth(value: object, count: int | None) -> Any:
    return read_truth([value], 1) if count is None else read_truth(value, count)


def _has_gaps(value: object, count: int | None) -> bool:
    return (classes_with_gaps([value], 1) if count is None else classes_with_gaps(value, count)) is not None


def _is_another_view(value: object, images: object) -> bool:
    """Whether these are images again, and no masks of zeros and ones."""
    if not isinstance(value, Tensor) or not isinstance(images, Tensor) or value.shape != images.shape:
        return False
    return value.dtype == images.dtype and value.unique().tolist() != [0, 1]


def _is_text(value: object) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list | tuple) and bool(value) and all(isinstance(text, str) for text in value)
    )


def _is_float_or_byte(value: Tensor | np.ndarray[Any, Any]) -> bool:
    if isinstance(value, Tensor):
        return value.is_floating_point() or value.dtype == torch.uint8
    return bool(value.dtype.kind == "f" or value.dtype == np.uint8)


def _not_an_image_name(key: object) -> int:
    return IMAGE_NAMES.index(key) if isinstance(key, str) and key in IMAGE_NAMES else len(IMAGE_NAMES)
