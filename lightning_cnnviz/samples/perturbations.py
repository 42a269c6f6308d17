"""Counterfactual copies of the samples: what would the model say if there were a mark, another background, no color?"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import torch
from torch import Tensor

from lightning_cnnviz.arguments import all_indices, integer, number, one_of, sequence, shown

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
        number("size", self.size, above=0, most=1)
        one_of("at", self.at, get_args(Corner))
        _check_fill(self.fill)

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
        if not isinstance(pixels, Tensor) or pixels.ndim != 3 or pixels.numel() == 0 or pixels.is_complex():
            got = tuple(pixels.shape) if isinstance(pixels, Tensor) else shown(pixels)
            raise ValueError(f"pixels of a patch must be a tensor of shape (C, h, w), got {got}")
        if isinstance(at, str):
            one_of("at", at, get_args(Corner))
        else:
            what = "a corner, or the row and the column of a pixel"
            places = [integer("at", place) for place in sequence("at", at, what)]
            if len(places) != 2:
                raise ValueError(f"at must be {what}, got {shown(at)}")
            at = places[0], places[1]
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
            what = "left, top, right, bottom within 0..1"
            edges = [number("every edge of box", edge) for edge in sequence("box", self.box, what)]
            left, top, right, bottom = edges if len(edges) == 4 else (1.0, 1.0, 0.0, 0.0)
            if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
                raise ValueError(f"box must be {what}, got {shown(self.box)}")
        if self.fill is not None:
            _check_fill(self.fill)

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

    def __post_init__(self) -> None:
        if self.fill is not None:
            _check_fill(self.fill)

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

    def __post_init__(self) -> None:
        if self.order is not None:
            all_indices("order", self.order, "a sequence of channels")

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


def _check_fill(fill: object) -> None:
    several = isinstance(fill, Iterable) and not isinstance(fill, str)
    for shade in sequence("fill", fill, "a shade, or one for each channel") if several else [fill]:
        number("fill", shade)


def _corner(at: Corner, size: tuple[int, int], whole: tuple[int, int]) -> tuple[int, int]:
    """The row and the column of the upper left pixel; a mark keeps a fiftieth of the image from its border."""
    places = []
    for extent, all_of_it, first in zip(size, whole, (at.startswith("top"), at.endswith("left")), strict=True):
        margin = min(round(0.02 * all_of_it), (all_of_it - extent) // 2)
        places.append(margin if first else all_of_it - extent - margin)
        if at == "center":
            places[-1] = (all_of_it - extent) // 2
    return places[0], places[1]
