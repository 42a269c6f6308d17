"""How images (N, C, H, W) are handed to a model that takes them in another form, as their batches held them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from lightning_cnnviz.model.outputs.tensors import entries
from lightning_cnnviz.samples.forms import Form

_BYTES = 255


@dataclass(frozen=True, slots=True)
class Handing:
    """What is done to images before the model gets them.

    Attributes:
        form: the form that they are given.
        scaled: whether values of 0 to 255 are divided by 255, which the model does with bytes only.
        unsure: whether the batches hold bytes that the model does not take, so that something before it changes them.
    """

    form: Form = field(default_factory=Form)
    scaled: bool = False
    unsure: bool = False

    def __call__(self, images: Tensor) -> Tensor:
        """The images (N, C, H, W) as the model takes them."""
        return self.form.restore(images / _BYTES if self.scaled else images)

    def before(self, entry: Callable[[Tensor], Any]) -> Callable[[Tensor], Any]:
        """What takes images (N, C, H, W) and calls the model with what it takes."""
        return entry if self == AS_THEY_ARE else lambda images: entry(self(images))

    @property
    def remark(self) -> str | None:
        """What the reader should know of it."""
        if self.unsure:
            return (
                "the batches hold bytes, which the model does not take: it is given them as 0.0 to 255.0, and its "
                "answers are those to that; where the step divides them first, forward=lambda model, images: "
                "model(images / 255) does so here"
            )
        if self.form.views is None:
            return None
        return f"the model takes {self.form.views} views or frames of each image: the first one stands for all of them"


AS_THEY_ARE = Handing()


def ways(form: Form) -> list[Handing]:
    """In which ways to try to hand over images that came in a form, the likeliest first.

    Several views are often taken one by one, but a model may as well take all of them.
    """
    views = [None] if form.views is None else [None, form.views]
    last = [True, False] if form.channels_last else [False]
    floating = [Handing(Form(None, channels, several)) for several in views for channels in last]
    return floating + [replace(way, form=replace(way.form, dtype=form.dtype)) for way in floating if form.dtype]


def for_bytes(way: Handing, form: Form, images: Tensor, output: Any, call: Callable[[Tensor], Any]) -> Handing:
    """The way for images that came as integers: a model may divide those by 255, and leave floating point as it is.

    Args:
        way: in which the model took the images as floating point.
        form: in which they came.
        images: (N, C, H, W)
        output: what the model returned for them.
        call: calls the model with what it takes.
    """
    if form.dtype is None or way.form.dtype is not None:
        return way
    as_they_came = replace(way, form=replace(way.form, dtype=form.dtype))
    try:
        wanted = call(as_they_came(images))
    except Exception:  # it takes no integers: something turns them to floating point before
        return replace(way, unsure=form.dtype == torch.uint8)
    if _alike(output, wanted):
        return way
    scaled = replace(way, scaled=True)
    try:
        return scaled if _alike(call(scaled(images)), wanted) else as_they_came
    except Exception:
        return as_they_came


def _alike(first: Any, second: Any) -> bool:
    """Whether two outputs hold the same numbers, in so far as they are tensors."""
    ours, others = dict(entries(first)), dict(entries(second))
    return ours.keys() == others.keys() and all(
        tensor.shape == others[path].shape
        and torch.allclose(tensor.detach().float(), others[path].detach().float(), 1e-3, 1e-5, equal_nan=True)
        for path, tensor in ours.items()
    )
