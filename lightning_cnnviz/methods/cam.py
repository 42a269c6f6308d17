"""Class activation maps: one weight function and one table entry per method, one step that combines the two.

All functions take activations A and gradients G = dS/dA of shape (N, K, h, w), S being the target score before softmax,
and compute in at least float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

Variant: TypeAlias = Literal["gradcam", "gradcam++", "hirescam", "xgradcam", "layercam"]
Weights: TypeAlias = Callable[[Tensor, Tensor], Tensor]


def gradcam_weights(activations: Tensor, gradients: Tensor) -> Tensor:
    """Grad-CAM (Selvaraju et al., 2017): each channel's mean gradient, (N, K, 1, 1)."""
    return gradients.mean(dim=(2, 3), keepdim=True)


def gradcam_plus_plus_weights(activations: Tensor, gradients: Tensor) -> Tensor:
    """Grad-CAM++ (Chattopadhay et al., 2018): positive gradients weighted by their pixels' share, (N, K, 1, 1).

    The share is alpha = G² / (2 G² + sum(A) G³), equation 19 for the score exp(S), whose common factor exp(S) does not
    change the shape of the map and is left out.
    """
    squared = gradients.square()
    denominator = 2 * squared + activations.sum(dim=(2, 3), keepdim=True) * squared * gradients
    share = squared / denominator.where(denominator != 0, denominator.new_ones(()))
    return (share * gradients.relu()).sum(dim=(2, 3), keepdim=True)


def hirescam_weights(activations: Tensor, gradients: Tensor) -> Tensor:
    """HiResCAM (Draelos and Carin, 2020): the gradients themselves, pixel by pixel, (N, K, h, w)."""
    return gradients


def xgradcam_weights(activations: Tensor, gradients: Tensor) -> Tensor:
    """XGrad-CAM (Fu et al., 2020): gradients averaged with the activations as weights, (N, K, 1, 1)."""
    total = activations.sum(dim=(2, 3), keepdim=True)
    return (gradients * activations).sum(dim=(2, 3), keepdim=True) / total.where(total != 0, total.new_ones(()))


def layercam_weights(activations: Tensor, gradients: Tensor) -> Tensor:
    """LayerCAM (Jiang et al., 2021): the positive gradients, pixel by pixel, (N, K, h, w)."""
    return gradients.relu()


@dataclass(frozen=True, slots=True)
class CAMVariant:
    """A way to weigh the channels of a layer.

    Attributes:
        title: what pictures call it.
        weights: from activations and gradients (N, K, h, w) to the weights of the activations, of a shape that
            broadcasts with them.
    """

    title: str
    weights: Weights


CAM_VARIANTS: dict[str, CAMVariant] = {
    "gradcam": CAMVariant("Grad-CAM", gradcam_weights),
    "gradcam++": CAMVariant("Grad-CAM++", gradcam_plus_plus_weights),
    "hirescam": CAMVariant("HiResCAM", hirescam_weights),
    "xgradcam": CAMVariant("XGrad-CAM", xgradcam_weights),
    "layercam": CAMVariant("LayerCAM", layercam_weights),
}
"""What ``GradCAM(variant=…)`` takes: each :data:`Variant`, and what is added to it, for example
``CAM_VARIANTS["mine"] = CAMVariant("Mine", weights)``.
"""


def activation_map(activations: Tensor, gradients: Tensor, variant: Variant | str = "gradcam") -> Tensor:
    """The map ReLU(sum over channels of weight times activation), (N, h, w), not normalised.

    >>> A = torch.tensor([[[[1.0, 2.0]], [[3.0, 1.0]]]])
    >>> G = torch.tensor([[[[1.0, 3.0]], [[-1.0, -1.0]]]])
    >>> activation_map(A, G)  # channel weights 2 and -1
    tensor([[[0., 3.]]])
    """
    activations, gradients = _wide(activations), _wide(gradients)
    return (CAM_VARIANTS[variant].weights(activations, gradients) * activations).sum(dim=1).relu()


def guided_map(maps: Tensor, guided: Tensor) -> Tensor:
    """Guided Grad-CAM (Selvaraju et al., 2017): maps (N, h, w), enlarged bilinearly, times guided gradients.

    Args:
        maps: (N, h, w) of Grad-CAM, after ReLU.
        guided: (N, C, H, W) of guided backpropagation.

    Returns:
        (N, C, H, W) signed.
    """
    maps, guided = _wide(maps), _wide(guided)
    enlarged = F.interpolate(maps[:, None], guided.shape[2:], mode="bilinear", align_corners=False)
    return enlarged * guided


def class_activation_map(activations: Tensor, class_weights: Tensor, *, top_channels: int | None = None) -> Tensor:
    """CAM (Zhou et al., 2016): maps weighed by what the classifier makes of them, (N, h, w), signed.

    The mean of the map, plus the classifier's bias, is the class score.

    Args:
        activations: (N, K, h, w) maps that are averaged over their places and then weighed.
        class_weights: (N, K) the classifier's weights for the class of each sample.
        top_channels: only the channels with so many largest weights; None: all.

    >>> A = torch.tensor([[[[1.0, 2.0]], [[3.0, 1.0]]]])
    >>> class_activation_map(A, torch.tensor([[2.0, -1.0]]))
    tensor([[[-1.,  3.]]])
    """
    activations, class_weights = _wide(activations), _wide(class_weights)
    if top_channels is not None and top_channels < class_weights.shape[1]:
        best = class_weights.topk(top_channels, dim=1)
        class_weights = torch.zeros_like(class_weights).scatter(1, best.indices, best.values)
    return (class_weights[:, :, None, None] * activations).sum(dim=1)


def _wide(tensor: Tensor) -> Tensor:
    return tensor if tensor.element_size() >= 4 else tensor.float()
