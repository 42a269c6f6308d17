"""Counterfactual copies of the samples: what would the model say if there were a mark, another background, no color?"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import torch
from torch import Tensor

if TYPE_CHECKING:
    from lightning_cnnviz.samples.shown import ShownSamples

Corner: TypeAlias = Literal["top left", "top right", "bottom left", "bottom right", "center"]
"""Where in the image something is put."""

Fill: TypeAlias = float | Sequence[float]
"""A shade from 0, black, to 1, white, or one number for each channel."""


class Perturbation(ABC):
    """One change of all images that should not change what the model says of them.

    Callable with samples; returns the changed images (N, C, H, W), in the values in which the model takes them. Nothing
    is drawn at random: the same samples give the same copies.
    """

    @abstractmethod
    def __call__(self, samples: ShownSamples) -> Tensor:
        """Returns the images (N, C, H, W) with the change.

        Raises:
            ValueError: the samples do not have what the change needs.
        """


@dataclass(frozen=True)
class Mark(Perturbation):
    """A square of one color, such as a sticker or a stamp that betrays the class.

    Args:
        size: side of the square as a share of the shorter side of the image, above 0 and at most 1.
        at: where it is put.
        fill: its color, in the values of a picture.
    """

    size: float = 0.15
    at: Corner = "bottom right"
    fill: Fill = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.size <= 1:
            raise ValueError(f"size must be above 0 and at most 1, got {self.size!r}")
        _check_corner(self.at)

    def __call__(self, samples: ShownSamples) -> Tensor:
        """Returns the images with the mark."""
        height, width = samples.images.shape[2:]
        side = max(1, round(self.size * min(height, width)))
        top, left = _corner(self.at, (side, side), (height, width))
        images = samples.images.clone()
        images[:, :, top : top + side, left : left + side] = model_values(samples, self.fill)
        return images


class Patch(Perturbation):
    """A small picture laid over the images.

    Args:
        pixels: (C, h, w) in the values of a picture, 0 to 1; one channel serves all.
        at: where it is put, or the row and the column of its upper left pixel.
    """

    def __init__(self, pixels: Tensor, at: Corner | tuple[int, int] = "bottom right") -> None:
        if not isinstance(pixels, Tensor) or pixels.ndim != 3 or pixels.numel() == 0:
            raise ValueError(f"patch must be a tensor of shape (C, h, w), got {getattr(pixels, 'shape', pixels)!r}")
        if isinstance(at, str):
            _check_corner(at)
        self.pixels, self.at = pixels, at

    def __call__(self, samples: ShownSamples) -> Tensor:
        """Returns the images with the patch."""
        channels, height, width = samples.images.shape[1:]
        rows, columns = self.pixels.shape[1:]
        at = _corner(self.at, (rows, columns), (height, width)) if isinstance(self.at, str) else self.at
        top, left = at
        if len(self.pixels) not in (1, channels):
            raise ValueError(f"patch must have 1 or {channels} channels, got {len(self.pixels)}")
        if top < 0 or left < 0 or top + rows > height or left + columns > width:
            raise ValueError(
                f"a patch of {rows} × {columns} pixels at {at} must lie inside the images of {height} × {width}"
            )
        images = samples.images.clone()
        pixels = self.pixels.to(images).expand(channels, -1, -1)
        images[:, :, top : top + rows, left : left + columns] = model_values(samples, pixels)
        return images


@dataclass(frozen=True)
class Occlusion(Perturbation):
    """A part of the image covered.

    Args:
        box: left, top, right and bottom as shares of the image, 0 to 1; None: the ``regions`` of the samples, which
            covers the object.
        fill: with what, in the values of a picture; None: the mean of each image, channel by channel.
    """

    box: tuple[float, float, float, float] | None = None
    fill: Fill | None = None

    def __post_init__(self) -> None:
        if self.box is not None:
            left, top, right, bottom = self.box
            if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
                raise ValueError(f"box must be left, top, right, bottom within 0..1, got {self.box!r}")

    def __call__(self, samples: ShownSamples) -> Tensor:
        """Returns the images with the part covered."""
        return torch.where(self._covered(samples)[:, None], _filling(samples, self.fill), samples.images)

    def _covered(self, samples: ShownSamples) -> Tensor:
        if self.box is None:
            return _regions(samples, "Occlusion() without a box")
        count, _, height, width = samples.images.shape
        left, top, right, bottom = self.box
        covered = torch.zeros(count, height, width, dtype=torch.bool)
        covered[:, round(top * height) : round(bottom * height), round(left * width) : round(right * width)] = True
        return covered


@dataclass(frozen=True)
class Background(Perturbation):
    """What surrounds the object replaced, which needs samples with ``regions``.

    Args:
        fill: with what, in the values of a picture; None: the mean of each image, channel by channel.
    """

    fill: Fill | None = None

    def __call__(self, samples: ShownSamples) -> Tensor:
        """Returns the images with another background."""
        inside = _regions(samples, "Background()")
        # A sample without a region would lose everything.
        inside = inside | ~inside.any(dim=(1, 2), keepdim=True)
        return torch.where(inside[:, None], samples.images, _filling(samples, self.fill))


@dataclass(frozen=True)
class Recolor(Perturbation):
    """Other colors, the same shapes.

    Args:
        order: which channel comes in the place of each, for example ``(2, 0, 1)``; None: all become their mean, which
            leaves a grey image.
    """

    order: tuple[int, ...] | None = None

    def __call__(self, samples: ShownSamples) -> Tensor:
        """Returns the images in other colors."""
        images, channels = samples.images, samples.images.shape[1]
        if channels == 1:
            raise ValueError("Recolor() needs images of more than one channel")
        if self.order is not None and sorted(self.order) != list(range(channels)):
            raise ValueError(f"order must hold each of the channels 0 to {channels - 1} once, got {self.order!r}")
        shades = samples.denormalized()
        if self.order is None:
            shades = shades.mean(dim=1, keepdim=True).expand_as(images)
        else:
            shades = shades[:, list(self.order)]
        return samples.normalized(shades)


def model_values(samples: ShownSamples, fill: Fill | Tensor) -> Tensor:
    """Shades of a picture, 0 black to 1 white, in the values in which the model takes its images.

    By the normalisation where it is known; otherwise as they are where the samples lie within 0..1, and as the darkest
    to the brightest value of the samples where they do not.

    Args:
        samples: the images.
        fill: a number, one for each channel, or a tensor (C, h, w).

    Returns:
        (C, 1, 1) or (C, h, w).
    """
    images = samples.images
    shades = fill.to(images) if isinstance(fill, Tensor) else torch.as_tensor(fill).to(images).view(-1, 1, 1)
    if shades.shape[0] not in (1, images.shape[1]):
        raise ValueError(f"fill must have 1 or {images.shape[1]} numbers, one per channel, got {shades.shape[0]}")
    shades = shades.expand(images.shape[1], -1, -1)
    if samples.mean is None and bool(((images < 0) | (images > 1)).any()):
        low, high = images.aminmax()
        return low + shades * (high - low)
    return samples.normalized(shades[None])[0]


def _filling(samples: ShownSamples, fill: Fill | None) -> Tensor:
    return samples.images.mean(dim=(2, 3), keepdim=True) if fill is None else model_values(samples, fill)[None]


def _regions(samples: ShownSamples, who: str) -> Tensor:
    if samples.regions is None:
        raise ValueError(f"{who} needs samples with regions: FixedSamples(regions=...) says where the object is")
    return samples.regions


def _check_corner(at: object) -> None:
    if at not in get_args(Corner):
        raise ValueError(f"at must be one of {', '.join(map(repr, get_args(Corner)))}, got {at!r}")


def _corner(at: Corner, size: tuple[int, int], whole: tuple[int, int]) -> tuple[int, int]:
    """The row and the column of the upper left pixel; a mark keeps a fiftieth of the image from its border."""
    places = []
    for extent, all_of_it, first in zip(size, whole, (at.startswith("top"), at.endswith("left")), strict=True):
        margin = min(round(0.02 * all_of_it), (all_of_it - extent) // 2)
        places.append(margin if first else all_of_it - extent - margin)
        if at == "center":
            places[-1] = (all_of_it - extent) // 2
    return places[0], places[1]
