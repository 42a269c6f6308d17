"""Batches in all the forms that projects give them, and trainings on them put together at random from a seed."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.helpers.random_nets import Net
from tests.helpers.random_runs import Recipe, recipe
from tests.helpers.training import CLASSES


@dataclass
class Example:
    """A batch of a class of the user's own, as collate functions of some projects give it."""

    image: Tensor
    label: Any

    def to(self, *arguments: Any, **options: Any) -> Example:
        return Example(self.image.to(*arguments, **options), self.label)


class Pair(NamedTuple):
    image: Tensor
    label: Any


class TensorDict(dict[str, Any]):
    """Answers to no ``in``, and an integer gives the sample of that number, as of the package of that name."""

    def __contains__(self, key: object) -> bool:
        raise NotImplementedError("TensorDict does not support membership checks with the `in` keyword")

    def __getitem__(self, key: Any) -> Any:
        return {name: value[key] for name, value in self.items()} if isinstance(key, int) else super().__getitem__(key)


class Bag:
    """An object that holds its tensors as attributes."""

    def __init__(self, images: Tensor, labels: Any) -> None:
        self.images, self.labels = images, labels


FORMS: dict[str, tuple[Callable[[Tensor, Any], Any], Callable[[Any], tuple[Tensor, Any]]]] = {
    "list": (lambda images, labels: [images, labels], lambda batch: (batch[0], batch[1])),
    "tuple": (lambda images, labels: (images, labels), lambda batch: (batch[0], batch[1])),
    "dict": (lambda images, labels: {"image": images, "label": labels}, lambda batch: (batch["image"], batch["label"])),
    "other keys": (lambda images, labels: {"x": images, "y": labels}, lambda batch: (batch["x"], batch["y"])),
    "nested": (
        lambda images, labels: {"inputs": {"image": images}, "targets": [labels], "names": ["a"] * len(images)},
        lambda batch: (batch["inputs"]["image"], batch["targets"][0]),
    ),
    "dataclass": (Example, lambda batch: (batch.image, batch.label)),
    "named tuple": (Pair, lambda batch: (batch.image, batch.label)),
    "attributes": (Bag, lambda batch: (batch.images, batch.labels)),
    "index": (
        lambda images, labels: (images, torch.arange(len(images)), labels),
        lambda batch: (batch[0], batch[2]),
    ),
    "views": (lambda images, labels: ([images, images.flip(-1)], labels), lambda batch: (batch[0][0], batch[1])),
    "tensor dict": (
        lambda images, labels: TensorDict({"image": images, "label": labels}),
        lambda batch: (batch["image"], batch["label"]),
    ),
    "images": (lambda images, labels: images, lambda batch: (batch, None)),
}
"""How a batch is put together, and taken apart again."""

LABELS: dict[str, tuple[Callable[[Tensor], Any], Callable[[Tensor, Any], Tensor]]] = {
    "classes": (lambda labels: labels, F.cross_entropy),
    "one-hot": (lambda labels: F.one_hot(labels, CLASSES).float(), F.cross_entropy),
    "soft": (lambda labels: 0.1 + 0.7 * F.one_hot(labels, CLASSES), F.cross_entropy),
    "sparse": (
        lambda labels: F.one_hot(labels, CLASSES).float().to_sparse(),
        lambda scores, labels: F.cross_entropy(scores, labels.to_dense().to(scores)),
    ),
    "numbers": (lambda labels: labels[:, None] / CLASSES, lambda scores, labels: F.mse_loss(scores[:, :1], labels)),
    "column": (lambda labels: labels[:, None], lambda scores, labels: F.cross_entropy(scores, labels[:, 0])),
    "32 bits": (lambda labels: labels.int(), lambda scores, labels: F.cross_entropy(scores, labels.long())),
}

IMAGES: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "plain": (lambda images: images, lambda images: images),
    "uint8": (
        lambda images: (images * 64 + 128).clamp(0, 255).to(torch.uint8),
        lambda images: images.to(torch.get_default_dtype()) / 128 - 1,
    ),
    "channels last": (
        lambda images: images.permute(0, 2, 3, 1).repeat(1, 1, 1, 3),
        lambda images: images.permute(0, 3, 1, 2).mean(dim=1, keepdim=True),
    ),
    "videos": (lambda images: torch.stack([images, images.roll(1, -1)], dim=1), lambda images: images.mean(dim=1)),
    "volumes": (lambda images: images[:, :, None].repeat(1, 1, 3, 1, 1), lambda images: images.mean(dim=2)),
    "matrices": (lambda images: images[:, 0], lambda images: images[:, None]),
    "four channels": (lambda images: images.repeat(1, 4, 1, 1), lambda images: images.mean(dim=1, keepdim=True)),
}
"""How images of 1x8x8 are stored, and brought back."""


@dataclass(frozen=True)
class Style:
    """What is special about the batches of a training, and about how its steps treat them.

    Attributes:
        form: one of `FORMS`.
        labels: one of `LABELS`.
        images: one of `IMAGES`.
        undone: where the images are brought back: in ``"forward"``, in the ``"step"``, or in a ``"hook"``.
        writes: whether the steps augment their batch in place.
        loaders: ``"plain"``, ``"several"`` or ``"named"`` loaders of validation, ``"cycled"`` ones of training, a
            ``"stream"``, a ``"datamodule"``.
    """

    form: str
    labels: str
    images: str
    undone: str
    writes: bool
    loaders: str

    @classmethod
    def of(cls, seed: int) -> Style:
        """The style of a seed."""
        draw = random.Random(seed + 50_000)
        form, labels = draw.choice([*FORMS]), draw.choice(["classes", *LABELS])
        images = draw.choice(["plain", *IMAGES])
        undone = draw.choice(["forward", "step", "hook"])
        if form == "attributes" and undone == "hook":
            undone = "step"
        loaders = draw.choice(["plain", "plain", "several", "named", "cycled", "stream", "datamodule", "datamodule"])
        return cls(form, labels, images, undone, draw.random() < 0.4, loaders)


def plan_of(seed: int) -> Recipe:
    """The training of a seed, without what its batches do not go with."""
    plan, style = recipe(seed), Style.of(seed)
    options = dict(plan.options)
    if style.loaders == "stream":  # which has no length
        options["limit_train_batches"] = 3
        options.pop("overfit_batches", None)
        if options.get("check_val_every_n_epoch", 1) is not None:
            options.pop("val_check_interval", None)
    return dataclasses.replace(plan, penalty=False, options=options)


class NetOfBatches(Net):
    """Reads its images and labels out of batches of some form."""

    def __init__(self, plan: Recipe) -> None:
        super().__init__(plan)
        self.style = Style.of(plan.seed)

    def forward(self, images: Tensor) -> Any:
        return super().forward(self._back(images, "forward"))

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return batch

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        if self.style.undone != "hook" or self.style.images == "plain":
            return batch
        if self.style.loaders == "cycled" and isinstance(batch, dict) and "first" in batch:
            return {name: self.on_after_batch_transfer(part, 0) for name, part in batch.items()}
        put, take = FORMS[self.style.form]
        images, labels = take(batch)
        return put(self._back(images, "hook"), labels)

    def _back(self, images: Tensor, where: str) -> Tensor:
        return IMAGES[self.style.images][1](images) if self.style.undone == where else images

    def loss(self, batch: Any) -> Tensor:
        self.in_step = True
        try:
            if self.style.loaders == "cycled" and isinstance(batch, dict) and "first" in batch:
                batch = batch["first"]
            images, labels = FORMS[self.style.form][1](batch)
            if self.style.writes and images.is_floating_point():
                images.add_(0.05 * torch.randn_like(images)).mul_(0.9)
            images = self._back(images, "step")
            scores = self(images.to(self.dtype) if images.is_floating_point() else images)
            return scores.square().mean() if labels is None else LABELS[self.style.labels][1](scores, labels)
        finally:
            self.in_step = False

    def log(self, name: str, value: Any, **options: Any) -> None:  # type: ignore[override]
        """Not every form of a batch tells Lightning how large it is."""
        super().log(name, value, batch_size=self.plan.loaders["batch_size"], **options)

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self._judge("val_loss", batch, dataloader_idx)

    def test_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self._judge("test_loss", batch, dataloader_idx)

    def _judge(self, name: str, batch: Any, dataloader_idx: int) -> None:
        loss = self.loss(batch)
        if dataloader_idx == 0:
            self.log(name, loss, add_dataloader_idx=False)
