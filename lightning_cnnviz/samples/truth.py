"""What the data say of each image, whatever kind of answer the model is trained for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor

from lightning_cnnviz.arguments import instance, one_of

TruthKind: TypeAlias = Literal["classes", "multi_hot", "soft", "values", "masks", "pictures", "boxes"]
"""What the truth of an image is: one class, several classes or a yes, shares of classes, numbers to be predicted, a
class for each pixel, numbers for each pixel, boxes."""


WITHOUT_CLASS = frozenset((-1, -100))
"""What stands for no class: what losses pass over by convention, and by torch's default."""

NO_CLASS = 255
"""What masks say of pixels that belong to no class, or of which nothing is known."""


@dataclass(frozen=True)
class Truth:
    """The truth of N images.

    Attributes:
        kind: what ``values`` are.
        values: ``"classes"``: (N,) int64 class indices. ``"multi_hot"``: (N, labels) bool; one column is a yes or no.
            ``"soft"``: (N, classes) float32, each row sums to one. ``"values"``: (N, numbers) float32.
            ``"masks"``: (N, H, W) int64 class indices. ``"pictures"``: (N, C, H, W) float32. ``"boxes"``: for each
            image (boxes, 4) float32.
        classes: for boxes, the class of each, where there are any: for each image (boxes,) int64.
        known: of ``"multi_hot"`` which labels anybody knows, (N, labels) bool; None: all of them.
    """

    kind: TruthKind
    values: Tensor | tuple[Tensor, ...]
    classes: tuple[Tensor, ...] | None = None
    known: Tensor | None = None

    def __post_init__(self) -> None:
        one_of("kind", self.kind, get_args(TruthKind))
        instance("values", self.values, (Tensor, tuple), "a tensor, or a tuple of them")
        if self.classes is not None:
            instance("classes", self.classes, tuple, "None or a tuple of tensors")
        if self.known is not None:
            instance("known", self.known, Tensor, "None or a tensor")

    def __len__(self) -> int:
        return len(self.values)

    @property
    def labels(self) -> Tensor | None:
        """(N,) class indices where each image has one class: also where smoothed labels leave no doubt which."""
        if isinstance(self.values, tuple):
            return None
        if self.kind == "classes":
            return self.values
        if self.kind == "soft" and bool((self.values.amax(dim=1) > 0.5).all()):
            return self.values.argmax(dim=1)
        return None

    @property
    def highest(self) -> int | None:
        """The highest class, where all values may be classes: whole numbers from 0 on, one for each image or pixel.

        255 stands for pixels of no class.
        """
        if self.kind not in ("classes", "values", "masks") or isinstance(self.values, tuple):
            return None
        values = self.values
        if self.kind == "masks":
            values = values[values != NO_CLASS]
        elif self.kind == "values" and (values.shape[1] > 1 or bool((values != values.round()).any())):
            return None
        return None if not values.numel() or bool((values < 0).any()) else int(values.max())

    def groups(self) -> list[int] | None:
        """A class of each image by which a choice of images can be spread; None where there is none."""
        if isinstance(self.values, tuple) or self.kind in ("values", "masks", "pictures"):
            return None
        if self.kind == "classes":
            return [int(label) for label in self.values]
        # The first label of several; of a single yes or no, which of the two.
        leading = self.values[:, 0] if self.values.shape[1] == 1 else self.values.float().argmax(dim=1)
        return [int(group) for group in leading]

    def chosen(self, indices: Sequence[int]) -> Truth:
        """The truth of some of the images, in this order."""
        values = self.values
        return Truth(
            self.kind,
            tuple(values[index] for index in indices) if isinstance(values, tuple) else values[list(indices)],
            self.classes and tuple(self.classes[index] for index in indices),
            None if self.known is None else self.known[list(indices)],
        )

    def state_dict(self) -> dict[str, Any]:
        """Everything as tensors and primitives."""
        values = list(self.values) if isinstance(self.values, tuple) else self.values
        if self.kind == "masks" and isinstance(values, Tensor) and 0 <= int(values.min()) <= int(values.max()) < 256:
            values = values.to(torch.uint8)
        return {
            "kind": self.kind,
            "values": values,
            "classes": self.classes and list(self.classes),
            "known": self.known,
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Truth:
        """The truth whose state this is."""
        values, classes = state["values"], state["classes"]
        values = values.long() if state["kind"] == "masks" else values
        values = tuple(values) if isinstance(values, list) else values
        return cls(state["kind"], values, classes and tuple(classes), state.get("known"))


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
