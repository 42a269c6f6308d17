"""From the model's input back to pictures for people."""

from __future__ import annotations

import torch
from torch import Tensor

from lightning_cnnviz.output.artifacts import RGB
from lightning_cnnviz.samples.datasets import Normalization

# Below this share of their magnitude, differences are float32 rounding and no contrast worth showing.
_ROUNDING = 1e-6


def to_pictures(images: Tensor, normalization: Normalization | None) -> list[RGB]:
    """Returns (N, C, H, W) images as N pictures, (H, W, 3) uint8 RGB.

    A normalisation is undone, ``x * std + mean``, and the result clipped to 0..1. Without one, images within 0..1 are
    shown as they are; otherwise each is scaled to its own range, a constant one to mid grey. One channel becomes grey,
    and so does the mean of two or of more than three channels. A pixel that is not a number is black.
    """
    values = denormalized(images.double(), normalization)
    if normalization is None and not _within_unit_range(images):
        values = torch.stack([_min_max(image) for image in values])
    values = values.masked_fill(values.isnan().any(dim=1, keepdim=True), 0).clamp(0, 1)
    if images.shape[1] != 3:
        values = values.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    pixels = (values * 255).round().to(torch.uint8)
    return list(pixels.permute(0, 2, 3, 1).contiguous().numpy())


def denormalized(images: Tensor, normalization: Normalization | None) -> Tensor:
    """Undoes a normalisation: ``x * std + mean``; without one, the images themselves."""
    if normalization is None:
        return images
    mean, std = (images.new_tensor(numbers).view(1, -1, 1, 1) for numbers in normalization)
    return images * std + mean


def picture_note(images: Tensor, normalization: Normalization | None) -> str | None:
    """Says what a reader of `to_pictures` must know to trust brightness and color; None if nothing."""
    sentences = []
    if normalization is None and not _within_unit_range(images):
        sentences.append(
            "The sample images have values outside 0..1 and no known normalisation, so each is shown scaled to its own "
            "range: pass mean and std to see them as they are."
        )
    if images.shape[1] not in (1, 3):
        sentences.append(
            f"The sample images have {images.shape[1]} channels and are shown as the mean over them, in grey."
        )
    return " ".join(sentences) or None


def _within_unit_range(images: Tensor) -> bool:
    return not bool(((images < 0) | (images > 1)).any())


def _min_max(image: Tensor) -> Tensor:
    finite = image[image.isfinite()]
    if finite.numel() == 0:
        return image
    low, high = finite.aminmax()
    if high - low <= _ROUNDING * finite.abs().max():
        return torch.where(image.isfinite(), 0.5, image)
    return (image - low) / (high - low)
