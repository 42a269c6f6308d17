"""Attributions made of input gradients, and their reduction to one value per pixel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

Reduction: TypeAlias = Literal["absolute", "squared", "positive", "negative", "signed", "grey"]
Scores: TypeAlias = Callable[[Tensor], Tensor]
"""From k versions of the N images, (k N, C, H, W), to the score explained of each, (k N,), differentiable."""
OnStep: TypeAlias = Callable[[int, int], None]

INDEPENDENT = (
    "{} does not depend on {} in a differentiable way: what lies between is detached, rounded or computed under "
    "torch.no_grad"
)
"""What is said of a score and of what it should be derived by."""

_BATCH = 32  # images in one call of the model
_SEED = 0
_PEAK = 0.99


def reduce_channels(gradient: Tensor, reduction: Reduction) -> Tensor:
    """One value per pixel, (N, H, W), from a signed gradient (N, C, H, W).

    ``"absolute"`` is the largest magnitude over the channels (Simonyan et al., 2014), ``"squared"`` the sum of squares,
    ``"positive"`` and ``"negative"`` the largest value of that sign as a magnitude, ``"signed"`` the sum over the
    channels, ``"grey"`` the sum of magnitudes.

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
    if reduction == "grey":
        return gradient.abs().sum(dim=1)
    return gradient.sum(dim=1)


def without_peaks(values: Tensor, share: float = _PEAK) -> Tensor:
    """The values of each sample (N, ...) cut at a quantile of their magnitude, the 99th percentile by default.

    A hundredth of the pixels would otherwise take up the whole range of brightness. Values that are not finite stay.
    """
    magnitudes = values.abs().nan_to_num(posinf=0.0).flatten(1)
    peak = magnitudes.kthvalue(
        1 + int(share * (magnitudes.shape[1] - 1)), dim=1
    ).values  # quantile() refuses large maps
    most = peak.where(peak > 0, magnitudes.amax(dim=1)).reshape(-1, *[1] * (values.ndim - 1))
    return values.minimum(most).maximum(-most).where(values.isfinite(), values)


def smoothgrad(
    scores: Scores, images: Tensor, *, noise: float = 0.15, draws: int = 25, on_step: OnStep | None = None
) -> Tensor:
    """SmoothGrad (Smilkov et al., 2017): the gradient averaged over noisy copies of the images, (N, C, H, W) signed.

    Every image gets the same noise, always from the same seed, so that epochs, samples and runs can be compared.

    Args:
        scores: see :data:`Scores`.
        images: (N, C, H, W).
        noise: standard deviation of the Gaussian noise as a share of each image's range, maximum − minimum.
        draws: how many noisy copies.
        on_step: called with the copies done and those in all.
    """
    generator = torch.Generator().manual_seed(_SEED)
    spread = noise * (images.flatten(1).amax(dim=1) - images.flatten(1).amin(dim=1))[:, None, None, None]
    total = torch.zeros_like(images, dtype=_wide(images.dtype))
    for count, done in _chunks(draws, len(images)):
        pattern = torch.randn(count, 1, *images.shape[1:], generator=generator, dtype=total.dtype).to(images)
        total += _gradients(scores, images + spread * pattern).sum(dim=0, dtype=total.dtype)
        if on_step is not None:
            on_step(done, draws)
    return total / draws


@dataclass(frozen=True, slots=True)
class IntegratedGradients:
    """Attributions along the straight path from a baseline.

    Attributes:
        values: (N, C, H, W) signed; they sum to the difference of the scores, up to the error of integration.
        differences: (N,) score of the image − score of the baseline.
    """

    values: Tensor
    differences: Tensor

    @property
    def gap(self) -> float:
        """How far the sums are off, at most, as a share of the largest difference: 0 is complete."""
        gaps = self.values.flatten(1).sum(dim=1) - self.differences
        largest = float(self.differences.abs().max())
        return float(gaps.abs().max()) / largest if largest else float(gaps.abs().max() > 0)


def integrated_gradients(
    scores: Scores, images: Tensor, baseline: Tensor, *, steps: int = 50, on_step: OnStep | None = None
) -> IntegratedGradients:
    """Integrated gradients (Sundararajan et al., 2017): (x − baseline) · mean of the gradient on the way to x.

    The integral is a midpoint sum: along a straight line the gradient of a network with ReLUs is a staircase, on which
    rules of higher order gain nothing.

    Args:
        scores: see :data:`Scores`.
        images: (N, C, H, W).
        baseline: the image without information, of a shape that broadcasts with the images.
        steps: points on the path.
        on_step: called with the points done and those in all.
    """
    baseline = baseline.expand_as(images)
    total = torch.zeros_like(images, dtype=_wide(images.dtype))
    for count, done in _chunks(steps, len(images)):
        position = (torch.arange(done - count, done, dtype=total.dtype, device=images.device) + 0.5) / steps
        points = baseline + position.to(images.dtype).reshape(-1, 1, 1, 1, 1) * (images - baseline)
        total += _gradients(scores, points).sum(dim=0, dtype=total.dtype)
        if on_step is not None:
            on_step(done, steps)
    with torch.no_grad():
        ends = scores(torch.cat([images, baseline])).to(total.dtype)
    return IntegratedGradients((images - baseline) * total / steps, ends[: len(images)] - ends[len(images) :])


def _gradients(scores: Scores, versions: Tensor) -> Tensor:
    """Gradients of the scores of k versions of the images, (k, N, C, H, W) both."""
    inputs = versions.flatten(0, 1).detach().requires_grad_()
    return input_gradient(scores(inputs).sum(), inputs, "the target score").reshape(versions.shape)


def input_gradient(total: Tensor, inputs: Tensor, name: str) -> Tensor:
    """The gradient of a sum with respect to the images (N, C, H, W) that it was computed of.

    Raises:
        ValueError: it does not depend on them in a differentiable way; ``name`` is what the message calls it.
    """
    found = torch.autograd.grad(total, [inputs], allow_unused=True) if total.requires_grad else (None,)
    if found[0] is None:
        raise ValueError(INDEPENDENT.format(name, "the images"))
    return found[0]


def _chunks(versions: int, images: int) -> Iterator[tuple[int, int]]:
    """How many versions to take at a time, and how many are done with them."""
    size = max(1, _BATCH // images)
    for start in range(0, versions, size):
        count = min(size, versions - start)
        yield count, start + count


def _wide(dtype: torch.dtype) -> torch.dtype:
    return dtype if dtype.itemsize >= 4 else torch.float32
