"""The forms in which images come: of bytes, channels last, several views of each, a list of images of one size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

_FEW = (1, 3, 4)  # channels of a picture


@dataclass(frozen=True)
class Form:
    """How images came, where that is not as (N, C, H, W) floating point.

    Attributes:
        dtype: the integer type of their values, 0 to 255 for bytes; None: floating point.
        channels_last: whether they came as (N, H, W, C).
        views: of how many views or frames of each image, (N, views, C, H, W), these are the first; None: there was one.
        unlabelled: whether the batch is of a kind that trains without labels: other views of each image stood beside
            these, or nothing at all.
        batch: how many images the batch held, None where that is not known.
    """

    dtype: torch.dtype | None = None
    channels_last: bool = False
    views: int | None = None
    unlabelled: bool = field(default=False, compare=False)
    batch: int | None = field(default=None, compare=False)

    def restore(self, images: Tensor) -> Tensor:
        """Gives images (N, C, H, W) the form in which they came, for a model that takes no other.

        Differentiable except for integers. A single view stands for all of them.
        """
        if self.channels_last:
            images = images.permute(0, 2, 3, 1)
        if self.views is not None:
            images = images[:, None].expand(-1, self.views, *(-1,) * (images.ndim - 1))
        return images if self.dtype is None else images.round().to(self.dtype)


def as_images(found: object, image_key: int | str) -> tuple[Tensor, Form]:
    """Returns images as (N, C, H, W) floating point, and the form in which they came.

    Raises:
        ValueError: if they are no images.
    """
    images = torch.from_numpy(found) if isinstance(found, np.ndarray) else _stacked(found)
    if not isinstance(images, Tensor) or images.ndim not in (4, 5) or images.is_complex() or images.dtype == torch.bool:
        raise ValueError(
            f"image_key={image_key!r} gave {describe(found)}, but the images must be a tensor of shape (N, C, H, W): "
            + _advice(images)
        )
    views = None
    if images.ndim == 5:
        clips = images.shape[1] == 3 and images.shape[2] in (2, 4)  # three channels of so many frames
        if clips or (images.shape[2] not in (*_FEW, 2) and images.shape[-1] not in _FEW):
            raise ValueError(f"image_key={image_key!r} gave {describe(found)}: volumes cannot be drawn, only images")
        views, images = images.shape[1], images[:, 0]
    channels_last = images.shape[-1] in _FEW and min(images.shape[1:3]) > max(_FEW)
    if channels_last:
        images = images.permute(0, 3, 1, 2)
    dtype = None if images.is_floating_point() else images.dtype
    return images if dtype is None else images.float(), Form(dtype, channels_last, views)


def _advice(found: object) -> str:
    """What to do about what is no images (N, C, H, W)."""
    if isinstance(found, list | tuple) and found and all(isinstance(one, Tensor) and one.ndim == 3 for one in found):
        return "images of several sizes need samples=FixedSamples(...) of one size"
    dimensions = found.ndim if isinstance(found, Tensor) and found.is_floating_point() else 0
    if dimensions == 3:
        return (
            "where these are images without a channel, samples=FixedSamples(images[:, None], labels) gives them one, "
            "and forward=lambda model, images: model(images[:, 0]) takes it away for the model"
        )
    if dimensions == 2:
        return (
            "where these are flat images, samples=FixedSamples(images.view(-1, C, H, W), labels) gives them their "
            "form, and forward=lambda model, images: model(images.flatten(1)) takes it away for the model"
        )
    return "set image_key to where they are in the batch, for example 0, 'image' or '0.image'"


def _stacked(found: object) -> object:
    """Images of one size that come as a list, as those of detectors do, as one batch; anything else as it is."""
    if not isinstance(found, list | tuple) or not all(isinstance(one, Tensor) and one.ndim == 3 for one in found):
        return found
    return torch.stack(list(found)) if len({one.shape for one in found}) == 1 else found


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
