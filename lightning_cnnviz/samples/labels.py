"""Reading labels: what a batch says of its images, whatever kind of answer the model is trained for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from lightning_cnnviz.samples.truth import WITHOUT_CLASS, Truth


def read_truth(labels: object, count: int) -> Truth | None:
    """Returns what a batch says of its `count` images; None where it says nothing that can be read.

    Class indices, also one-hot, become classes; so do lists, arrays and sparse tensors of them. Other 0s and 1s are
    several labels, of which -1, -100 and NaN are not known, and rows that sum to one are soft. Integers for each pixel
    are masks, other numbers for each pixel pictures, other floats are numbers to be predicted. A list of dictionaries
    with ``"boxes"``, as torchvision's detectors take it, is boxes. Strings and negative classes are not read.
    """
    boxes = _boxes(labels, count)
    if boxes is not None:
        return boxes
    values = _as_tensor(labels)
    if values is None or values.ndim == 0 or not count or len(values) != count or values.is_complex():
        return None
    if values.ndim >= 3:
        return _masks(values)
    if values.ndim == 2 and values.shape[1] == 0:
        return None
    return _rows(values)


def labels_and_truth(labels: Tensor | None, truth: Truth | None, count: int) -> tuple[Tensor | None, Truth | None]:
    """Labels of one class for each image as they are, and of what else is given in their place what it says.

    Without labels they are those of the truth; a single yes or no of each image is class 1 or class 0.
    """
    if isinstance(labels, Tensor) and labels.ndim > 1 and len(labels) == count:
        found = read_truth(labels, count)
        if found is None:
            return labels, truth
        labels, truth = found.labels, found if truth is None else truth
    if labels is None and truth is not None:
        labels = truth.labels
        is_known = truth.kind == "multi_hot" and truth.known is None
        if is_known and isinstance(truth.values, Tensor) and truth.values.shape[1] == 1:
            labels = truth.values[:, 0].long()
    return labels, truth


def split(labels: object, count: int) -> list[object] | None:
    """The labels of a batch one by one, None where there is not one for each image."""
    if isinstance(labels, Mapping):
        parts = {name: _as_tensor(values) for name, values in labels.items()}
        fitting = {name: part for name, part in parts.items() if part is not None and part.shape[:1] == (count,)}
        return [{name: part[index] for name, part in fitting.items()} for index in range(count)] if fitting else None
    values = _as_tensor(labels)
    if values is not None:
        return list(values) if values.shape[:1] == (count,) else None
    return list(labels) if isinstance(labels, Sequence) and len(labels) == count else None


def classes_with_gaps(labels: object, count: int) -> Tensor | None:
    """(N,) class indices where -1 or -100 says of some of `count` images that they have none; None for other labels.

    Labels of -1 and 1 alone are those of two classes.
    """
    values = _as_tensor(labels)
    if values is None or values.dtype == torch.bool or values.is_floating_point() or values.is_complex():
        return None
    if values.shape[:1] != (count,) or values.numel() != count:
        return None
    classes = values.reshape(-1).long()
    found = set(classes.unique().tolist())
    gaps = {number for number in found if number < 0}
    return classes if len(gaps) == 1 and gaps <= WITHOUT_CLASS and found != {-1, 1} else None


def _as_tensor(labels: object) -> Tensor | None:
    if labels is None or isinstance(labels, str | bytes | Mapping):
        return None
    if isinstance(labels, list | tuple) and labels and all(isinstance(label, Tensor | np.ndarray) for label in labels):
        parts = [_as_tensor(label) for label in labels]
        if any(part is None or part.shape != labels[0].shape for part in parts):
            return None
        return torch.stack([part for part in parts if part is not None])
    try:
        values = torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError):  # strings, dictionaries, lists of boxes
        return None
    return values.detach().to_dense() if values.layout != torch.strided else values.detach()


def _rows(values: Tensor) -> Truth | None:
    single = values.ndim == 1 or values.shape[1] == 1
    column = values.reshape(len(values), -1)
    is_whole = not values.is_floating_point() and values.dtype != torch.bool
    if single and is_whole:
        indices = column[:, 0].long()
        return None if bool((indices < 0).any()) else Truth("classes", indices)
    binary = bool(((column == 0) | (column == 1)).all())
    if binary and not single and bool((column.sum(dim=1) == 1).all()):
        return Truth("classes", column.long().argmax(dim=1))
    if binary:
        return Truth("multi_hot", column.bool())
    known = _known(column, single)
    if known is not None:
        return Truth("multi_hot", (column == 1) & known, known=known)
    numbers = column.float()
    if not single and bool((numbers >= 0).all()) and bool(((numbers.sum(dim=1) - 1).abs() < 1e-3).all()):
        return Truth("soft", numbers)
    return Truth("values", numbers)


def _known(column: Tensor, single: bool) -> Tensor | None:
    """Which of 0s and 1s (N, labels) are known, where -1, -100 or NaN stands for the others; None for other numbers.

    Without a 0 they may be the -1 and 1 of a margin, and in a single column numbers to be predicted.
    """
    unknown = column.isnan()
    for number in () if single else WITHOUT_CLASS:
        unknown = unknown | (column == number)
    rest = column[~unknown]
    flags = bool(((rest == 0) | (rest == 1)).all()) and bool((rest == 0).any())
    return ~unknown if flags else None


def _masks(values: Tensor) -> Truth | None:
    if values.ndim > 4:
        return None
    whole = not values.is_floating_point() or bool((values == values.round()).all())
    if values.ndim == 4 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 4 and bool(((values == 0) | (values == 1)).all()) and bool((values.sum(dim=1) == 1).all()):
        values = values.long().argmax(dim=1)
    if whole and values.ndim == 3:
        return Truth("masks", values.long())
    return Truth("pictures", (values if values.ndim == 4 else values[:, None]).float())


def _boxes(labels: object, count: int) -> Truth | None:
    if isinstance(labels, Mapping) and "boxes" in labels:
        labels = split(labels, count)
    if not isinstance(labels, list | tuple) or len(labels) != count or not labels:
        return None
    boxes, classes = [], []
    for label in labels:
        if not isinstance(label, Mapping) or "boxes" not in label:
            return None
        found = _as_tensor(label["boxes"])
        if found is None or found.numel() % 4:
            return None
        boxes.append(found.float().reshape(-1, 4))
        kinds = _as_tensor(label.get("labels"))
        classes.append(None if kinds is None else kinds.reshape(-1).long())
    named = [kinds for kinds in classes if kinds is not None]
    return Truth("boxes", tuple(boxes), tuple(named) if len(named) == count else None)
