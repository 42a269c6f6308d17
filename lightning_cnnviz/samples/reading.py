"""Reading images from datasets and files, without disturbing the training."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import default_collate

from lightning_cnnviz.arguments import instance, integer, sequence, shown
from lightning_cnnviz.guard.process_state import process_state_preserved
from lightning_cnnviz.output.artifacts import RGB
from lightning_cnnviz.render.placing import Box
from lightning_cnnviz.samples.batches import DEFAULT_LABEL_KEY, find_image, find_label, trains_without_labels
from lightning_cnnviz.samples.datasets import attribute, find_class_names
from lightning_cnnviz.samples.forms import Form, describe
from lightning_cnnviz.samples.geometry import UnknownGeometryError, input_box
from lightning_cnnviz.samples.labels import read_truth
from lightning_cnnviz.samples.origin import Origin, RawBatch
from lightning_cnnviz.samples.truth import Truth


class MapDataset(Protocol):
    """A dataset that is read by index."""

    def __getitem__(self, index: int, /) -> object: ...
    def __len__(self) -> int: ...


def read_items(
    dataset: MapDataset, indices: Sequence[int], image_key: int | str, label_key: int | str | None
) -> tuple[Tensor, Truth | None, Origin]:
    """Returns the images, (N, C, H, W), of some items, their truth if all items have one, and how they came.

    Raises:
        TypeError: if an index is not an integer.
        ValueError: if there are no indices, one is out of range, or the items are not images of one shape.
    """
    indices = _checked_indices(indices, len(dataset))
    with process_state_preserved():
        items = [_item(dataset, index) for index in indices]
        raw = _collated(items)
    names = [f"item {index} of dataset, image_key={image_key!r}," for index in indices]
    found = [_image(item, index, image_key) for index, item in zip(indices, items, strict=True)]
    images = _stack(names, found, bytes_allowed=True)
    labels = [_as_label(find_label(item, image_key, label_key)) for item in items]
    if _are_numbers_of(indices, labels):
        labels = [_as_label(find_label(item, image_key, label_key, behind=True)) for item in items]
    truth = read_truth(labels, len(items))
    form = Form(
        None if images.is_floating_point() else images.dtype, unlabelled=trains_without_labels(items[0], image_key)
    )
    raw_batch = None if raw is None else RawBatch(raw, image_key, label_key)
    return images.float() if form.dtype is not None else images, truth, Origin(form, raw_batch)


def read_files(
    paths: Sequence[str | os.PathLike[str]], transform: Callable[[Image.Image], Any]
) -> tuple[Tensor, list[RGB], list[Box] | str]:
    """Returns what `transform` makes of the pictures, (N, C, H, W), and the pictures themselves, (H, W, 3) uint8 RGB.

    The last is where the former lie in the latter, or why that is not known.

    Raises:
        TypeError: if `paths` is a single path.
        ValueError: if there are no paths, a file cannot be read, or the results are not images of one shape.
    """
    if isinstance(paths, str | os.PathLike):
        raise TypeError(f"paths must be a sequence of paths, got the single path {shown(paths)}: write [path]")
    paths = sequence("paths", paths, "a sequence of paths")
    for path in paths:
        instance("every entry of paths", path, (str, os.PathLike), "a path")
    pictures = [_read_picture(path) for path in paths]
    with process_state_preserved():
        images = [_transformed(transform, picture, path) for picture, path in zip(pictures, paths, strict=True)]
    stacked = _stack([f"transform of {os.fspath(path)}" for path in paths], images)
    return stacked, [np.asarray(picture) for picture in pictures], _boxes(transform, pictures, stacked)


def _transformed(transform: Callable[[Image.Image], Any], picture: Image.Image, path: object) -> Any:
    try:
        return transform(picture)
    except (TypeError, ValueError) as error:
        raise ValueError(f"transform fails on {path}: {type(error).__name__}: {error}") from error


def _boxes(transform: object, pictures: Sequence[Image.Image], images: Tensor) -> list[Box] | str:
    height, width = images.shape[2:]
    try:
        return [input_box(transform, (picture.height, picture.width), (height, width)) for picture in pictures]
    except Exception as error:  # attributes of a transform that are not what they are in torchvision
        return str(error) if isinstance(error, UnknownGeometryError) else f"{type(error).__name__}: {error}"


def first_per_class(
    dataset: MapDataset, per_class: int, image_key: int | str, label_key: int | str | None
) -> list[int]:
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
        for index, label in enumerate(_labels(dataset, image_key, label_key)):
            if taken[label] < per_class:
                chosen.append((taken[label], label, index))
                taken[label] += 1
                complete += taken[label] == per_class
            if class_names is not None and complete == len(class_names):
                break
    return [index for _, _, index in sorted(chosen)]


def _labels(dataset: MapDataset, image_key: int | str, label_key: int | str | None) -> Iterator[int]:
    known = _known_labels(dataset, len(dataset)) if label_key == DEFAULT_LABEL_KEY else None
    if known is not None:
        yield from known
        return
    for index in range(len(dataset)):
        item = dataset[index]
        truth = read_truth([_as_label(find_label(item, image_key, label_key))], 1)
        label = None if truth is None or truth.labels is None else int(truth.labels)
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
        truth = read_truth(attribute(dataset, name), count)
        if truth is not None and truth.kind == "classes":
            return truth.groups()
    indices, whole = attribute(dataset, "indices"), attribute(dataset, "dataset")
    if not isinstance(indices, Sequence) or len(indices) != count or not hasattr(whole, "__len__"):
        return None
    labels_of_whole = _known_labels(whole, len(whole))
    return None if labels_of_whole is None else [labels_of_whole[index] for index in indices]


def _as_label(label: object) -> object:
    """A label of one item as one of a list: arrays of one number are that number."""
    if isinstance(label, np.generic):
        return label.item()
    if isinstance(label, Tensor | np.ndarray):
        label = torch.as_tensor(label)
        return label.reshape(()) if label.numel() == 1 else label
    return torch.as_tensor(label) if isinstance(label, list | tuple) and _are_numbers(label) else label


def _are_numbers_of(indices: Sequence[int], labels: Sequence[object]) -> bool:
    """Whether several items have their own numbers where labels stand."""
    found = read_truth(labels, len(labels)) if len(indices) > 2 else None
    return found is not None and found.kind == "classes" and found.groups() == list(indices)


def _are_numbers(values: Sequence[object]) -> bool:
    return bool(values) and all(isinstance(value, int | float) for value in values)


def _collated(items: Sequence[object]) -> object:
    """What a DataLoader with its default collation would hand over; None where it could not."""
    try:
        return default_collate(list(items))
    except Exception:  # strings of the user's, boxes of several numbers, pictures
        return None


def _item(dataset: MapDataset, index: int) -> object:
    try:
        return dataset[index]
    except LookupError as error:
        raise ValueError(f"dataset has the length {len(dataset)}, but no item {index}: {error!r}") from error


def _image(item: object, index: int, image_key: int | str) -> object:
    try:
        return find_image(item, image_key)
    except ValueError as error:
        raise ValueError(f"item {index} of dataset: {error}") from error


def _checked_indices(indices: Sequence[int], length: int) -> list[int]:
    if not length:
        raise ValueError("dataset is empty: there are no items to take")
    try:
        checked = [integer("indices", index) for index in sequence("indices", indices, "integers")]
    except TypeError:
        raise TypeError(f"indices must be integers, got {shown(indices)}") from None
    for index in checked:
        if not 0 <= index < length:
            raise ValueError(f"indices must lie in 0..{length - 1}, the items of dataset, got {index}")
    return checked


def _read_picture(path: str | os.PathLike[str]) -> Image.Image:
    try:
        with Image.open(Path(path)) as file:
            return ImageOps.exif_transpose(file).convert("RGB")
    except OSError as error:
        raise ValueError(f"paths: cannot read {os.fspath(path)!r} as a picture: {error}") from error


def _stack(names: Sequence[str], images: Sequence[object], *, bytes_allowed: bool = False) -> Tensor:
    tensors = [_checked_image(name, image, bytes_allowed) for name, image in zip(names, images, strict=True)]
    shapes = {name: tuple(tensor.shape) for name, tensor in zip(names, tensors, strict=True)}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"the images must have one shape, for example by a resizing transform, got {shapes}")
    return torch.stack(tensors)


def _checked_image(name: str, image: object, bytes_allowed: bool) -> Tensor:
    image = torch.from_numpy(image) if isinstance(image, np.ndarray) else image
    allowed = isinstance(image, Tensor) and (
        image.is_floating_point() or (bytes_allowed and image.dtype == torch.uint8)
    )
    if not isinstance(image, Tensor) or image.ndim != 3 or not allowed:
        raise ValueError(
            f"{name} gave {describe(image)}, but an image must be a floating point tensor of shape (C, H, W), "
            "as the model takes it: is a transform missing?"
        )
    return image
