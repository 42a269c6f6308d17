"""What a view hands over: pictures, numbers, notes and raw arrays, each under a tag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

PictureFormat: TypeAlias = Literal["png", "jpeg"]
"""How pictures are stored: exactly, or smaller and with losses."""

RGB: TypeAlias = NDArray[np.uint8]
"""A picture of shape (H, W, 3), uint8, channels in the order red, green, blue."""


def check_rgb(image: RGB, name: str = "image") -> None:
    """Raises ValueError, under the name given, for what is no picture."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"{name} must be uint8 of shape (H, W, 3), got {image.dtype} of shape {image.shape}")


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished picture.

    Attributes:
        tag: where it appears, for example ``grad_cam/layer4``.
        image: (H, W, 3) uint8 RGB.
        remarks: what the reader should be told once, for example that a map is constant.
        format: how it is stored.

    Raises:
        ValueError: the image is none.
    """

    tag: str
    image: RGB
    remarks: tuple[str, ...] = ()
    format: PictureFormat = "png"

    def __post_init__(self) -> None:
        # Here, in the view that drew it: the sink's thread would know only that some picture cannot be encoded.
        check_rgb(self.image, f"{self.tag}: image")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number under a tag.

    Attributes:
        tag: where it appears, for example ``prototypes/cost``.
        value: the number.
        monitored: whether Lightning logs it, so that callbacks such as ``ModelCheckpoint`` can monitor it under its
            tag.
    """

    tag: str
    value: float
    monitored: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """A text in Markdown under a tag.

    Attributes:
        tag: where it appears, for example ``alarms``.
        text: Markdown.
        remarks: what the reader should be told once, as of a picture.
    """

    tag: str
    text: str
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Array:
    """The values behind a picture: float32 on the CPU, before any scaling for display."""

    tag: str
    values: Tensor


Artifact: TypeAlias = Picture | Scalar | Note | Array
