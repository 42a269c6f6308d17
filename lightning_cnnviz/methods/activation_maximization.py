"""Inputs that excite single channels, found by gradient ascent."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_cnnviz.methods.backward_rules import redirected_gradient

START_AMPLITUDE = 0.1
_SEED = 0  # every look begins at the same noise
# How red, green and blue go together in photographs: the square root of their covariance in ImageNet (Olah et al.).
_COLORS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))


@dataclass(frozen=True, slots=True)
class Regularizers:
    """What keeps the images smooth.

    Attributes:
        jitter: most pixels by which the image is shifted, in a circle and at random, before each step.
        rotation: most degrees by which it is turned, at random, before each step.
        zoom: the image is enlarged or shrunk at random before each step, by a factor of at most 1 more than this.
        blur: standard deviation in pixels of the Gaussian that smooths the image after each step.
        total_variation: factor of the descent on half the squared differences between neighbouring pixels.
        decorrelated: begin at, and step along, noise with the spectrum and the colors of photographs instead of white
            noise.
    """

    jitter: int = 0
    rotation: float = 0.0
    zoom: float = 0.0
    blur: float = 0.0
    total_variation: float = 0.0
    decorrelated: bool = False


NO_REGULARIZERS = Regularizers()


@dataclass(frozen=True, slots=True)
class Maximized:
    """Optimised inputs, the strongest first.

    Attributes:
        images: (K, C, H, W) in units of standard deviations from the mean.
        channels: (K,) the channel that each excites.
        activations: (K,) the mean activation that it reaches.
        at_start: (K,) the mean activation of the noise that it began as.
        moved: (K,) whether the activation ever changed with the image.
    """

    images: Tensor
    channels: Tensor
    activations: Tensor
    at_start: Tensor
    moved: Tensor


def maximize_activations(
    output: Callable[[Tensor], Tensor],
    channels: Tensor,
    shape: tuple[int, int, int],
    *,
    steps: int = 20,
    rate: float = 0.1,
    regularizers: Regularizers = NO_REGULARIZERS,
    dtype: torch.dtype = torch.float32,
    on_step: Callable[[int, int], None] | None = None,
) -> Maximized:
    """For each channel an input that makes its mean activation large, all of them optimised as one batch.

    Gradient ascent from faint noise. Each image's gradient is divided by its root mean square, so that ``rate`` is how
    far a pixel moves in a step whatever the scale of the activations. A ReLU that faint noise does not open passes the
    gradient on, so that channels of late layers, most of which are silent at first, can be excited at all.

    Args:
        output: from images (K, C, H, W), in units of standard deviations from the mean, to the layer's maps
            (K, channels, h, w), differentiable.
        channels: (K,) which channel each image is to excite, on the device to compute on.
        shape: (C, H, W) of an image.
        steps: of gradient ascent.
        rate: root mean square of a step, in standard deviations.
        regularizers: what keeps the images smooth.
        dtype: of the images.
        on_step: called with the steps done and the steps in all.

    Source: Erhan et al., "Visualizing higher-layer features of a deep network", 2009; the regularisers: Mahendran and
    Vedaldi, 2015 (total variation), Yosinski et al., 2015 (blur), Olah et al., "Feature visualization", 2017 (jitter,
    rotation, zoom, decorrelation).
    """
    generator = torch.Generator().manual_seed(_SEED)  # of its own
    noise = torch.randn(shape, generator=generator, dtype=torch.float64).to(channels.device, dtype)
    start = START_AMPLITUDE * (correlated(noise[None]) if regularizers.decorrelated else noise[None])
    images = start.expand(len(channels), *shape)

    def reached(images: Tensor) -> Tensor:
        return output(images)[torch.arange(len(channels)), channels].mean(dim=(1, 2))

    with torch.no_grad():
        at_start = reached(images)
    moved = torch.zeros_like(channels, dtype=torch.bool)
    for step in range(steps):
        move = _Move.at_random(regularizers, generator)
        shown = move.applied(images).requires_grad_()
        gradient = redirected_gradient(reached(shown), shown)
        moved |= gradient.flatten(1).any(dim=1)
        images = _stepped(images, move.undone(gradient), rate, regularizers)
        if on_step is not None:
            on_step(step + 1, steps)
    with torch.no_grad():
        activations = reached(images)
    order = activations.nan_to_num(nan=-torch.inf).argsort(descending=True, stable=True)
    return Maximized(images[order], channels[order], activations[order], at_start[order], moved[order])


@dataclass(frozen=True, slots=True)
class _Move:
    """How images are moved before a step: what they show should not depend on where single pixels lie.

    Attributes:
        shift: pixels down and to the right.
        angle: in degrees.
        factor: of their enlargement.
    """

    shift: tuple[int, int]
    angle: float = 0.0
    factor: float = 1.0

    @classmethod
    def at_random(cls, regularizers: Regularizers, generator: torch.Generator) -> _Move:
        most = regularizers.jitter
        down, right = torch.randint(-most, most + 1, (2,), generator=generator).tolist()
        if not (regularizers.rotation or regularizers.zoom):
            return cls((down, right))
        turn, growth = (2 * torch.rand(2, generator=generator, dtype=torch.float64) - 1).tolist()
        return cls((down, right), regularizers.rotation * turn, (1 + regularizers.zoom) ** growth)

    def applied(self, images: Tensor) -> Tensor:
        """The images (K, C, H, W) moved, a new tensor."""
        return turned(images.roll(self.shift, dims=(2, 3)), self.angle, self.factor)

    def undone(self, gradient: Tensor) -> Tensor:
        """A gradient with respect to moved images, carried back to where they were.

        By the inverse move, which is the transposed one but for a factor and the interpolation: the backward pass of an
        interpolation adds in no fixed order on a GPU, and is refused where algorithms must be deterministic.
        """
        return turned(gradient, -self.angle, 1 / self.factor).roll([-pixels for pixels in self.shift], dims=(2, 3))


def turned(images: Tensor, angle: float, factor: float) -> Tensor:
    """The images (K, C, H, W) turned about their middle, counterclockwise, and enlarged, bilinearly.

    What lies beyond their edges is mirrored.

    Args:
        images: of any size.
        angle: in degrees.
        factor: above 1 enlarges, below it shrinks.
    """
    if angle == 0 and factor == 1:
        return images
    height, width = images.shape[-2:]
    cos, sin = math.cos(math.radians(angle)) / factor, math.sin(math.radians(angle)) / factor
    matrix = images.new_tensor([[[cos, -sin * height / width, 0], [sin * width / height, cos, 0]]])
    planes = images.flatten(0, 1)[None]  # which all have one grid
    grid = F.affine_grid(matrix, list(planes.shape), align_corners=False)
    return F.grid_sample(planes, grid, padding_mode="reflection", align_corners=False).view_as(images)


def _stepped(images: Tensor, gradient: Tensor, rate: float, regularizers: Regularizers) -> Tensor:
    if regularizers.decorrelated:
        gradient = correlated(correlated(gradient, transposed=True))
    direction = rms_normalized(gradient) + regularizers.total_variation * laplacian(images)
    images = images + rate * direction
    return gaussian_blur(images, regularizers.blur) if regularizers.blur else images


def rms_normalized(gradient: Tensor) -> Tensor:
    """Each image's gradient (K, C, H, W) divided by its root mean square; zero stays zero.

    >>> rms_normalized(torch.tensor([[[[3.0, -3.0]]], [[[0.0, 0.0]]]]))
    tensor([[[[ 1., -1.]]],
    <BLANKLINE>
    <BLANKLINE>
            [[[ 0.,  0.]]]])
    """
    largest = gradient.abs().amax(dim=(1, 2, 3), keepdim=True)
    gradient = gradient / largest.where(largest > 0, 1)  # the square of a small gradient would underflow
    rms = gradient.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    return gradient / rms.where(rms > 0, 1)


def laplacian(images: Tensor) -> Tensor:
    """For each pixel by how much its neighbours exceed it in all: the descent on half the squared differences.

    >>> laplacian(torch.tensor([[[[0.0, 3.0, 0.0]]]]))
    tensor([[[[ 3., -6.,  3.]]]])
    """
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    neighbors = padded[..., :-2, 1:-1] + padded[..., 2:, 1:-1] + padded[..., 1:-1, :-2] + padded[..., 1:-1, 2:]
    return neighbors - 4 * images


def gaussian_blur(images: Tensor, sigma: float) -> Tensor:
    """The images (K, C, H, W) smoothed by a Gaussian with a standard deviation in pixels; edges are continued."""
    radius = max(1, round(3 * sigma))
    offsets = torch.arange(-radius, radius + 1, dtype=images.dtype, device=images.device)
    weights = (-(offsets**2) / (2 * sigma**2)).exp()
    weights = weights / weights.sum()
    planes = F.pad(images.flatten(0, 1)[:, None], (radius,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(planes, weights.view(1, 1, -1, 1)), weights.view(1, 1, 1, -1)).view_as(images)


def correlated(noise: Tensor, *, transposed: bool = False) -> Tensor:
    """White noise (K, C, H, W) given the 1/f spectrum of photographs and, over three channels, their colors.

    A linear map that keeps the mean square of white noise; ``transposed`` is its transpose, and the one after the other
    turns a gradient into an ascent direction for which rare patterns, high frequencies first of all, cost more.
    """
    height, width = noise.shape[-2:]
    frequencies = torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.fftfreq(width))
    amplitudes = 1 / frequencies.clamp(min=1 / max(height, width))
    amplitudes = (amplitudes / amplitudes.square().mean().sqrt()).to(noise.device, noise.dtype)
    spread: Tensor = torch.fft.ifft2(torch.fft.fft2(noise) * amplitudes).real
    if noise.shape[1] != 3:
        return spread
    colors = torch.tensor(_COLORS, dtype=noise.dtype, device=noise.device)
    colors = colors / colors.square().sum().div(3).sqrt()
    return ((colors.T if transposed else colors) @ spread.flatten(2)).view_as(spread)
