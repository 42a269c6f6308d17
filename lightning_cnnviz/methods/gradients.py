"""Reductions of the input gradient to one value per pixel."""

from __future__ import annotations

from typing import Literal, TypeAlias

from torch import Tensor

Reduction: TypeAlias = Literal["absolute", "squared", "positive", "negative", "signed"]


def reduce_channels(gradient: Tensor, reduction: Reduction) -> Tensor:
    """One value per pixel, (N, H, W), from a signed gradient (N, C, H, W).

    ``"absolute"`` is the largest magnitude over the channels (Simonyan et al., 2014), ``"squared"`` the sum of squares,
    ``"positive"`` and ``"negative"`` the largest value of that sign as a magnitude, ``"signed"`` the sum over the
    channels.

    >>> import torch
    >>> reduce_channels(torch.tensor([[[[3.0]], [[-4.0]]]]), "squared")
    tensor([[[25.]]])
    """
    if reduction == "absolute":
        return gradient.abs().amax(dim=1)
    if reduction == "squared":
        return gradient.square().sum(dim=1)
    if reduction == "positive":
        return gradient.relu().amax(dim=1)
    if reduction == "negative":
        return (-gradient).relu().amax(dim=1)
    return gradient.sum(dim=1)
