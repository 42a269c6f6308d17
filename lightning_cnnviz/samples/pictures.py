"""From the model's input back to pictures for people."""

from __future__ import annotations

from math import isfinite

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lightning_cnnviz.output.artifacts import RGB
from lightning_cnnviz.samples.datasets import Normalization

# Below this share of their magnitude, differences are float32 rounding and no contrast worth showing.
_ROUNDING = 1e-6

_COARSE = 16  # pixels a side
_LARGEST_DIFFERENCE = 16  # of 255


def to_pictures(
    images: Tensor, normalization: Normalization | None, bands: tuple[int, int, int] | None = None
) -> list[RGB]:
    """Returns (N, C, H, W) images as N pictures, (H, W, 3) uint8 RGB.

    A normalisation is undone, ``x * std + mean``, and the result clipped to 0..1. Without one, images within 0..1 are
    shown as they are; otherwise each is scaled to its own range, a constant one to mid grey. One channel becomes grey,
    and so does the mean of two; of more than three, `bands` are shown as red, green and blue, see `shown_bands`. A
    pixel that is not a number is black.
    """
    values = denormalized(images.double(), normalization)
    shown = shown_bands(images.shape[1], bands)
    if shown is not None:
        values = values[:, list(shown)]
    if normalization is None and not _within_unit_range(values):
        values = torch.stack([_min_max(image) for image in values])
    if not _all_finite(values):
        values = values.masked_fill(values.isnan().any(dim=1, keepdim=True), 0)
    values = values.clamp(0, 1)
    if shown is None:
        values = values.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    pixels = values.mul(255).round_().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    pixels.flags.writeable = False  # so that what is drawn of them once can be kept
    return list(pixels)


def shown_bands(channels: int, bands: tuple[int, int, int] | None) -> tuple[int, int, int] | None:
    """The channels shown as red, green and blue; None where the mean of all is shown in grey.

    Unless chosen, three that spread over a spectrum in ascending order of wavelength: the last, the middle and the
    first. Of four, the first three, because they are red, green, blue and one more.
    """
    if bands is not None:
        return bands
    if channels < 3:
        return None
    return (0, 1, 2) if channels <= 4 else (channels - 1, (channels - 1) // 2, 0)


def denormalized(images: Tensor, normalization: Normalization | None) -> Tensor:
    """Undoes a normalisation: ``x * std + mean``; without one, the images themselves."""
    if normalization is None:
        return images
    mean, std = (images.new_tensor(numbers).view(1, -1, 1, 1) for numbers in normalization)
    return images * std + mean


def normalized(images: Tensor, normalization: Normalization | None) -> Tensor:
    """Applies a normalisation: ``(x - mean) / std``; without one, the images themselves."""
    if normalization is None:
        return images
    mean, std = (images.new_tensor(numbers).view(1, -1, 1, 1) for numbers in normalization)
    return (images - mean) / std


def affine(shades: Tensor, images: Tensor) -> Normalization | None:
    """The mean and std by which `images` are normalised `shades`, channel by channel; None where they are not."""
    means, deviations = [], []
    for before, after in zip(shades.transpose(0, 1).double(), images.transpose(0, 1).double(), strict=True):
        x, y = before - before.mean(), after - after.mean()
        slope = float((x * y).sum() / (x * x).sum().clamp_min(1e-12))
        if not slope > 0 or float((y - slope * x).abs().max()) > 1e-3 * float(y.abs().max()):
            return None
        means.append(float(before.mean() - after.mean() / slope))
        deviations.append(1 / slope)
    return tuple(means), tuple(deviations)


def picture_note(
    images: Tensor, normalization: Normalization | None, bands: tuple[int, int, int] | None = None
) -> str | None:
    """Says what a reader of `to_pictures` must know to trust brightness and color; None if nothing."""
    sentences = []
    channels, shown = images.shape[1], shown_bands(images.shape[1], bands)
    visible = images if shown is None else images[:, list(shown)]
    if normalization is None and not _within_unit_range(visible):
        sentences.append(
            "The sample images have values outside 0..1 and no known normalisation, so each is shown scaled to its own "
            "range: pass mean and std to see them as they are."
        )
    if channels == 2:
        sentences.append("The sample images have 2 channels and are shown as the mean over them, in grey.")
    elif channels > 3 and bands is None:
        sentences.append(
            f"The sample images have {channels} channels, of which {shown} are shown as red, green and blue: choose "
            "others with bands, for example bands=(3, 2, 1)."
        )
    return " ".join(sentences) or None


def shows_all_of(seen: RGB, original: RGB) -> bool:
    """Whether a picture is another one resized, and no part of it, by a coarse look at both.

    Told apart from a crop that leaves out 3% on each side, on photographs, on a lone square and on shades that rise
    evenly; rules of interpolation differ by less.
    """
    mode = "L" if bool((seen == seen[..., :1]).all()) else "RGB"
    size = (seen.shape[1], seen.shape[0])
    resized = Image.fromarray(original).convert(mode).resize(size, Image.Resampling.BOX)
    first, second = (
        np.asarray(one.resize((min(_COARSE, size[0]), min(_COARSE, size[1])), Image.Resampling.BOX)).astype(float)
        for one in (Image.fromarray(seen).convert(mode), resized)
    )
    difference = np.abs(first - second)
    return bool(difference.max() <= _LARGEST_DIFFERENCE and difference.mean() <= 0.02 * max(second.std(), 1.0))


def _within_unit_range(images: Tensor) -> bool:
    if not _all_finite(images):
        return not bool(((images < 0) | (images > 1)).any())
    low, high = images.aminmax()
    return bool(low >= 0 and high <= 1)


def _all_finite(images: Tensor) -> bool:
    """Quicker than ``isfinite().all()``."""
    return all(map(isfinite, map(float, images.aminmax())))


def _min_max(image: Tensor) -> Tensor:
    finite = image if _all_finite(image) else image[image.isfinite()]
    if finite.numel() == 0:
        return image
    low, high = finite.aminmax()
    if high - low <= _ROUNDING * finite.abs().max():
        return torch.where(image.isfinite(), 0.5, image)
    return (image - low) / (high - low)
