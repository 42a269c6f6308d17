"""Which part of an image a single value of a layer depends on."""

from __future__ import annotations

import torch
from torch import Tensor


def field_box(gradient: Tensor, share: float = 1.0) -> tuple[int, int, int, int]:
    """The box of pixels that a value depends on: left, top, right and bottom edge.

    Args:
        gradient: (C, H, W) of the value by the image.
        share: of the squared gradient that the box holds, along each axis: 1 is the whole receptive field on this
            image, less is the part of it that counts.

    Returns:
        Pixels from the upper left corner, right and bottom behind the last one; the whole image where the value depends
        on nothing.

    >>> field_box(torch.tensor([[[0.0, 0.0, 0.0], [0.0, 3.0, 1.0]]]))
    (1, 1, 3, 2)
    >>> field_box(torch.tensor([[[0.0, 0.0, 0.0], [0.0, 3.0, 1.0]]]), share=0.7)
    (1, 1, 2, 2)
    """
    energy = gradient.double().nan_to_num(0, 0, 0).square().sum(dim=0)
    if not bool(energy.any()):
        return 0, 0, energy.shape[1], energy.shape[0]
    (left, right), (top, bottom) = (_ends(energy.sum(dim=axis), share) for axis in (0, 1))
    return left, top, right, bottom


def _ends(energy: Tensor, share: float) -> tuple[int, int]:
    """The first index that counts, and the one behind the last, when as much is left out on both sides."""
    cut = (1 - share) / 2 * energy.sum()
    before = energy.cumsum(0)
    behind = energy.flip(0).cumsum(0).flip(0)
    inside = ((before > cut) & (behind > cut)).nonzero().flatten()
    if not len(inside):  # a single place holds all there is
        inside = energy.argmax().reshape(1)
    return int(inside[0]), int(inside[-1]) + 1


def strongest_places(activations: Tensor, channels: list[int], count: int) -> tuple[Tensor, Tensor, Tensor]:
    """For each channel the images in which it responds most, one place of each, the strongest first.

    Args:
        activations: (N, K, h, w).
        channels: which of the K.
        count: how many images, at most N.

    Returns:
        The values, the images and the places within h·w, each (channels, count).
    """
    values = activations[:, channels].float().flatten(2).nan_to_num(nan=-torch.inf)
    best = values.max(dim=2)  # (N, channels)
    strongest = best.values.topk(min(count, len(values)), dim=0)
    return strongest.values.T, strongest.indices.T, best.indices.gather(0, strongest.indices).T
