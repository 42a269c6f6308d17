"""Reading images from datasets and files, without disturbing the training."""

from __future__ import annotations

import operator
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from lightning_cnnviz.guard.process_state import process_state_preserved
from lightning_cnnviz.output.artifacts import RGB
from lightning_cnnviz.samples.batches import DEFAULT_LABEL_KEY, class_indices, describe, find_image, find_label
from lightning_cnnviz.samples.datasets import attribute, find_class_names


class MapDataset(Protocol):
    """A dataset that is read by index."""

    def __getitem__(self, index: int, /) -> object: ...
    def __len__(self) -> int: ...


def read_items(
    dataset: MapDataset, indices: Sequence[int], image_key: int | str, label_key: int | str | None
) -> tuple[Tensor, Tensor | None]:
    """Returns the images, (N, C, H, W), and the labels, (N,), of some items; no labels unless all items have one.

    Raises:
        TypeError: if an index is not an integer.
        ValueError: if there are no indices, one is out of range, or the items are not images of one shape.
    """
    indices = _checked_indices(indices, len(dataset))
    with process_state_preserved():
        items = [dataset[index] for index in indices]
    names = [f"item {index} of dataset, image_key={image_key!r}" for index in indices]
    images = _stack(names, [find_image(item, image_key) for item in items])
    labels = [label for item in items if (label := _item_label(item, label_key)) is not None]
    return images, torch.tensor(labels) if len(labels) == len(items) else None


def read_files(
    paths: Sequence[str | os.PathLike[str]], transform: Callable[[Image.Image], Tensor]
) -> tuple[Tensor, list[RGB]]:
    """Returns what `transform` makes of the pictures, (N, C, H, W), and the pictures themselves, (H, W, 3) uint8 RGB.

    Raises:
        TypeError: if `paths` is a single path.
        ValueError: if there are no paths, a file cannot be read, or the results are not images of one shape.
    """
    if isinstance(paths, str | os.PathLike):
        raise TypeError(f"paths must be a sequence of paths, got the single path {paths!r}: write [path]")
    if not paths:
        raise ValueError("paths must name at least one file, got none")
    pictures = [_read_picture(path) for path in paths]
    with process_state_preserved():
        images = [transform(picture) for picture in pictures]
    return _stack([f"transform of {os.fspath(path)}" for path in paths], images), [np.asarray(p) for p in pictures]


def first_per_class(dataset: MapDataset, per_class: int, label_key: int | str | None) -> list[int]:
    """Returns the indices of the first items of every class: one of each class, then the second of each, and so on.

    The labels come from the dataset's ``targets`` or ``labels`` where it has them, otherwise from its items, which are
    read until all its ``classes`` are complete, or to the end.

    Raises:
        ValueError: if an item has not one class index.
    """
    class_names = find_class_names(dataset)
    taken: Counter[int] = Counter()
    chosen: list[tuple[int, int, int]] = []
    complete = 0
    with process_state_preserved():
        for index, label in enumerate(_labels(dataset, label_key)):
            if taken[label] < per_class:
                chosen.append((taken[label], label, index))
                taken[label] += 1
                complete += taken[label] == per_class
            if class_names is not None and complete == len(class_names):
                break
    return [index for _, _, index in sorted(chosen)]


def _labels(dataset: MapDataset, label_key: int | str | None) -> Iterator[int]:
    known = _known_labels(dataset, len(dataset)) if label_key == DEFAULT_LABEL_KEY else None
    if known is not None:
        yield from known
        return
    for index in range(len(dataset)):
        item = dataset[index]
        label = _item_label(item, label_key)
        if label is None:
            raise ValueError(
                f"per_class needs one class index per item, but label_key={label_key!r} finds none in item {index}, "
                f"{describe(item)}: set label_key, or choose by indices"
            )
        yield label


def _known_labels(dataset: object, count: int) -> list[int] | None:
    # The list has the labels as they were before a target_transform.
    if attribute(dataset, "target_transform") is not None:
        return None
    for name in ("targets", "labels"):
        labels = class_indices(attribute(dataset, name), count)
        if labels is not None:
            return [int(label) for label in labels]
    indices, whole = attribute(dataset, "indices"), attribute(dataset, "dataset")
    if not isinstance(indices, Sequence) or len(indices) != count or not hasattr(whole, "__len__"):
        return None
    labels_of_whole = _known_labels(whole, len(whole))
    return None if labels_of_whole is None else [labels_of_whole[index] for index in indices]


def _item_label(item: object, label_key: int | str | None) -> int | None:
    label = find_label(item, label_key)
    if isinstance(label, np.ndarray):
        label = torch.from_numpy(label)
    labels = class_indices(label[None] if isinstance(label, Tensor) else [label], 1)
    return None if labels is None else int(labels)


def _checked_indices(indices: Sequence[int], length: int) -> list[int]:
    try:
        checked = [operator.index(index) for index in indices]
    except TypeError:
        raise TypeError(f"indices must be integers, got {indices!r}") from None
    if not checked:
        raise ValueError("there are no items to take: the dataset or indices is empty")
    for index in checked:
        if not 0 <= index < length:
            raise ValueError(f"indices must lie in 0..{length - 1}, the items of dataset, got {index}")
    return checked


def _read_picture(path: str | os.PathLike[str]) -> Image.Image:
    try:
        with Image.open(path) as file:
            return ImageOps.exif_transpose(file).convert("RGB")
    except OSError as error:
        raise ValueError(f"paths: cannot read {os.fspath(path)!r} as a picture: {error}") from error


def _stack(names: Sequence[str], images: Sequence[object]) -> Tensor:
    tensors = [_checked_image(name, image) for name, image in zip(names, images, strict=True)]
    shapes = {name: tuple(tensor.shape) for name, tensor in zip(names, tensors, strict=True)}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"the images must have one shape, for example by a resizing transform, got {shapes}")
    return torch.stack(tensors)


def _checked_image(name: str, image: object) -> Tensor:
    image = torch.from_numpy(image) if isinstance(image, np.ndarray) else image
    if not isinstance(image, Tensor) or image.ndim != 3 or not image.is_floating_point():
        raise ValueError(
            f"{name} gave {describe(image)}, but an image must be a floating point tensor of shape (C, H, W), "
            "as the model takes it: is a transform missing?"
        )
    return image
