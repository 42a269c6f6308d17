from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_cnnviz.methods.activation_maximization import (
    START_AMPLITUDE,
    Regularizers,
    correlated,
    gaussian_blur,
    laplacian,
    maximize_activations,
    rms_normalized,
    turned,
)

PATTERNS = torch.tensor([[[[1.0, 2.0], [0.0, 2.0]]], [[[0.0, 0.0], [-1.0, 1.0]]]], dtype=torch.float64)


def linear(images: Tensor) -> Tensor:
    """Two channels, each the image weighed by its pattern: the gradient of channel c is pattern c, always."""
    return torch.einsum("ncij,kcij->nk", images, PATTERNS)[:, :, None, None]


def maximise(output: object = linear, channels: tuple[int, ...] = (0, 1), **options: object) -> object:
    shape = options.pop("shape", (1, 2, 2))
    return maximize_activations(output, torch.tensor(channels), shape, dtype=torch.float64, **options)  # type: ignore


def noise(shape: tuple[int, ...] = (1, 2, 2), seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return START_AMPLITUDE * torch.randn(shape, generator=generator, dtype=torch.float64)


def test_a_linear_channel_is_climbed_along_its_pattern() -> None:
    found = maximise(steps=20, rate=0.1)
    assert found.channels.tolist() == [0, 1]  # pattern 0 has the larger norm
    # RMS of pattern 0: sqrt((1 + 4 + 0 + 4) / 4) = 1.5; of pattern 1: sqrt(2 / 4). Twenty steps of 0.1 make 2.
    assert torch.allclose(found.images[0], noise() + 2 * PATTERNS[0] / 1.5)
    assert torch.allclose(found.images[1], noise() + 2 * PATTERNS[1] / math.sqrt(0.5))
    assert torch.allclose(found.activations, (found.images * PATTERNS).sum(dim=(1, 2, 3)))
    assert torch.allclose(found.at_start, (noise() * PATTERNS).sum(dim=(1, 2, 3)))


def test_the_strongest_comes_first_and_keeps_its_channel() -> None:
    found = maximise(channels=(1, 0, 1))
    assert found.channels.tolist() == [0, 1, 1]
    assert found.activations.tolist() == sorted(found.activations.tolist(), reverse=True)


def test_channels_that_are_not_finite_come_last() -> None:
    def output(images: Tensor) -> Tensor:
        return linear(images).where(torch.tensor([False, True])[:, None, None], math.nan)

    assert maximise(output).channels.tolist() == [1, 0]


def test_the_scale_of_the_activation_does_not_matter() -> None:
    images = [maximise(lambda images, factor=factor: factor * linear(images)).images for factor in (1e-25, 1.0, 1e9)]
    assert torch.allclose(images[0], images[1])
    assert torch.allclose(images[2], images[1])


def test_a_silent_relu_lets_the_gradient_through() -> None:
    found = maximise(lambda images: (linear(images) - 3).relu(), steps=30)
    assert found.at_start.tolist() == [0, 0]
    assert torch.allclose(found.images[0], noise() + 3 * PATTERNS[0] / 1.5)
    assert found.activations[0] > 0


def test_a_channel_without_any_gradient_stays_noise() -> None:
    found = maximise(lambda images: 0 * linear(images))
    assert torch.equal(found.images, noise().expand(2, 1, 2, 2))


def test_total_variation_alone_smooths() -> None:
    found = maximise(
        lambda images: 0 * linear(images), (0,), steps=1, rate=0.1, regularizers=Regularizers(total_variation=2)
    )
    assert torch.allclose(found.images, noise()[None] + 0.2 * laplacian(noise()[None]))


@pytest.mark.parametrize(
    "regularizers", [Regularizers(total_variation=2), Regularizers(blur=1), Regularizers(decorrelated=True)]
)
def test_every_regulariser_makes_smoother_images(regularizers: Regularizers) -> None:
    kernel = torch.randn(4, 1, 5, 5, dtype=torch.float64)

    def roughness(options: Regularizers) -> float:
        found = maximise(
            lambda images: F.conv2d(images, kernel).relu(), tuple(range(4)), shape=(1, 28, 28), regularizers=options
        )
        images = found.images / found.images.std()
        return images.diff(dim=2).square().mean().item() + images.diff(dim=3).square().mean().item()

    assert roughness(regularizers) < 0.8 * roughness(Regularizers())


def test_jitter_is_undone_in_the_gradient() -> None:
    """Wherever the image is shifted to, a channel that answers to one corner draws in that corner or near it."""

    def corner(images: Tensor) -> Tensor:
        return images[:, :1, :1, :1]

    still = maximise(corner, (0,), shape=(1, 8, 8), steps=5).images[0, 0] - noise((1, 8, 8))[0]
    assert still.nonzero().tolist() == [[0, 0]]
    moved = maximise(corner, (0,), shape=(1, 8, 8), steps=40, regularizers=Regularizers(jitter=1))
    drawn = (moved.images[0, 0] - noise((1, 8, 8))[0]).nonzero()
    places = {tuple(place) for place in drawn.tolist()}
    assert len(places) > 4
    assert places <= {(i, j) for i in (0, 1, 7) for j in (0, 1, 7)}


def test_an_image_is_turned_counterclockwise_and_enlarged_about_its_middle() -> None:
    image = torch.zeros(2, 3, 9, 13, dtype=torch.float64)
    image[..., 4, 8] = 1  # two pixels to the right of the middle
    assert turned(image, 0, 1) is image
    quarter = turned(image, 90, 1)
    assert torch.allclose(quarter[..., 2, 6], torch.ones(2, 3, dtype=torch.float64))
    assert quarter[..., :9, 2:11].sum().item() == pytest.approx(6), "nothing but that point"
    larger = turned(image, 0, 2)
    assert (larger[0, 0] == larger.max()).nonzero().tolist() == [[4, 10]]
    assert torch.allclose(turned(turned(image, 90, 1), -90, 1)[..., 4, 8], image[..., 4, 8])


def test_turning_and_zooming_are_undone_in_the_gradient() -> None:
    """A channel that answers to one place of the image draws around that place, however the image is turned."""

    def place(images: Tensor) -> Tensor:
        return images[:, :1, 24:25, 24:25]

    options = Regularizers(rotation=15, zoom=0.2)
    found = maximise(place, (0,), shape=(1, 32, 32), steps=200, regularizers=options)
    drawn = found.images[0, 0] - noise((1, 32, 32))[0]
    rows, columns = torch.meshgrid(*[torch.arange(32, dtype=torch.float64)] * 2, indexing="ij")
    weights = drawn.clamp(min=0) / drawn.clamp(min=0).sum()
    assert (weights * rows).sum().item() == pytest.approx(24, abs=0.6)
    assert (weights * columns).sum().item() == pytest.approx(24, abs=0.6)
    assert (drawn > 0).sum() > 20, "not one pixel alone"


def test_the_same_seed_gives_the_same_images_and_no_other_generator_is_used() -> None:
    state = torch.get_rng_state()
    options = Regularizers(jitter=1, rotation=5, zoom=0.1, decorrelated=True)
    assert torch.equal(maximise(regularizers=options).images, maximise(regularizers=options).images)
    still = Regularizers(decorrelated=True)
    assert not torch.equal(maximise(regularizers=options).images, maximise(regularizers=still).images)
    assert torch.equal(torch.get_rng_state(), state)


def test_rms_is_taken_image_by_image() -> None:
    gradient = torch.tensor([3.0, -3.0, 0.0, 0.0, 1e-30, 0.0]).view(3, 1, 1, 2)
    assert torch.allclose(rms_normalized(gradient).flatten(), torch.tensor([1.0, -1.0, 0.0, 0.0, math.sqrt(2), 0.0]))


def test_laplacian_is_the_descent_on_squared_differences() -> None:
    images = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    half_squares = (images.diff(dim=2).square().sum() + images.diff(dim=3).square().sum()) / 2
    (gradient,) = torch.autograd.grad(half_squares, images)
    assert torch.allclose(laplacian(images.detach()), -gradient)


def test_blur_spreads_a_point_as_a_gaussian() -> None:
    point = torch.zeros(1, 1, 21, 21, dtype=torch.float64)
    point[..., 10, 10] = 1
    blurred = gaussian_blur(point, 2.0)
    assert blurred.sum().item() == pytest.approx(1)
    assert (blurred[0, 0, 10, 12] / blurred[0, 0, 10, 10]).item() == pytest.approx(math.exp(-0.5))
    constant = torch.full((2, 3, 6, 7), 0.3)
    assert torch.allclose(gaussian_blur(constant, 1.5), constant)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 7, 9), (2, 5, 8)])
def test_correlated_noise_has_unit_variance_and_an_exact_transpose(shape: tuple[int, int, int]) -> None:
    white, other = torch.randn(2, 200, *shape, dtype=torch.float64)
    assert correlated(white).square().mean().item() == pytest.approx(1, rel=0.1)
    forth, back = (correlated(white) * other).sum(), (white * correlated(other, transposed=True)).sum()
    assert forth.item() == pytest.approx(back.item())


def test_correlated_noise_falls_off_as_one_over_f() -> None:
    rows = torch.fft.fft2(correlated(torch.randn(4000, 1, 16, 16, dtype=torch.float64))).abs().square().mean(dim=0)[0]
    assert (rows[0, 2] / rows[0, 4]).item() == pytest.approx(4, rel=0.15)
    assert (rows[0, 1] / rows[0, 8]).item() == pytest.approx(64, rel=0.15)


def test_correlated_colors_are_nearly_grey() -> None:
    red, green, _ = correlated(torch.randn(500, 3, 8, 8)).transpose(0, 1).flatten(1)
    assert torch.corrcoef(torch.stack([red, green]))[0, 1] > 0.8
