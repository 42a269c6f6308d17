"""What the data say of each image, whatever kind of answer the model is trained for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

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
