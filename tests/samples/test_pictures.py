"""The pictures of samples: back from their normalisation, of any number of channels, whatever the values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_cnnviz.samples import FixedSamples
from tests.helpers.samples import constant_images


def first_pixels(samples: FixedSamples) -> list[list[int]]:
    return [picture[0, 0].tolist() for picture in samples.pictures()]


def test_pictures_undo_the_normalisation_by_channel():
    images = torch.tensor([-1.0, 0.0, 1.0]).view(1, 3, 1, 1)
    samples = FixedSamples(images, mean=[0.5, 0.25, 0.2], std=[0.3, 0.5, 0.2])
    # -1 * 0.3 + 0.5 = 0.2 -> 51; 0.25 -> 63.75; 1 * 0.2 + 0.2 = 0.4 -> 102
    assert first_pixels(samples) == [[51, 64, 102]]


def test_pictures_clip_what_lies_outside():
    samples = FixedSamples(constant_images(-9.0, 9.0), mean=[0.5], std=[0.5])
    assert first_pixels(samples) == [[0] * 3, [255] * 3]


def test_one_number_normalises_all_channels():
    samples = FixedSamples(constant_images(1.0, channels=3), mean=[0.1], std=[0.5])
    assert first_pixels(samples) == [[153] * 3]


def test_pictures_of_values_within_zero_and_one_are_shown_as_they_are():
    samples = FixedSamples(constant_images(0.2, 0.6))
    assert first_pixels(samples) == [[51] * 3, [153] * 3]
    assert samples.display_note() is None


def test_pictures_keep_rows_columns_and_channels_in_place():
    images = torch.zeros(1, 3, 2, 4)
    images[0, 2, 1, 3] = 1
    (picture,) = FixedSamples(images).pictures()
    assert picture.shape == (2, 4, 3)
    assert picture.dtype == np.uint8
    assert np.argwhere(picture).tolist() == [[1, 3, 2]]


def test_unknown_normalisation_scales_each_image_to_its_own_range():
    images = torch.tensor([[-1.0, 0.0, 1.0, 3.0], [10.0, 20.0, 30.0, 20.0]]).view(2, 1, 2, 2)
    samples = FixedSamples(images)
    first, second = (picture[..., 0].tolist() for picture in samples.pictures())
    assert first == [[0, 64], [128, 255]]
    assert second == [[0, 128], [255, 128]]
    assert "own range" in samples.display_note()


def test_constant_image_is_mid_grey_even_with_rounding_noise():
    images = constant_images(5.0, 5.0, -3.0)
    images[1, 0, 0, 1] += 1e-6
    assert [np.unique(picture).tolist() for picture in FixedSamples(images).pictures()] == [[128]] * 3


def test_nan_is_black_and_does_not_spoil_the_rest():
    nan, inf = float("nan"), float("inf")
    images = torch.tensor([[nan, 2.0, 4.0, 3.0], [inf, 2.0, 4.0, -inf], [nan, 7.0, 7.0, 7.0], [nan] * 4])
    pictures = FixedSamples(images.view(4, 1, 2, 2)).pictures()
    assert [picture[..., 0].ravel().tolist() for picture in pictures] == [
        [0, 0, 255, 128],
        [255, 0, 255, 0],
        [0, 128, 128, 128],
        [0, 0, 0, 0],
    ]


def test_nan_in_one_channel_makes_the_pixel_black_instead_of_tinted():
    images = torch.ones(1, 3, 1, 2)
    images[0, 0, 0, 0] = float("nan")
    (picture,) = FixedSamples(images).pictures()
    assert picture.tolist() == [[[0, 0, 0], [255, 255, 255]]]


def test_two_channels_show_their_mean():
    samples = FixedSamples(torch.tensor([0.2, 0.6]).view(1, 2, 1, 1))
    assert first_pixels(samples) == [[102] * 3]
    assert "2 channels" in samples.display_note()


def shades(channels: int) -> Tensor:
    """Every channel a shade of its own, in steps of 10 of 255."""
    return (torch.arange(channels) * 10 / 255).view(1, -1, 1, 1).expand(1, channels, 2, 2)


@pytest.mark.parametrize(
    ("channels", "bands", "expected"),
    [
        (13, (3, 2, 1), [30, 20, 10]),
        (13, np.array([0, 0, 12]), [0, 0, 120]),
        (13, None, [120, 60, 0]),
        (8, None, [70, 30, 0]),
        (4, None, [0, 10, 20]),
        (3, (2, 1, 0), [20, 10, 0]),
    ],
)
def test_three_of_many_channels_are_shown(channels, bands, expected):
    samples = FixedSamples(shades(channels), bands=bands)
    assert first_pixels(samples) == [expected]
    note = samples.display_note()
    assert note is None if bands is not None else f"{channels} channels" in note and "bands=" in note
    assert FixedSamples.from_state_dict(samples.state_dict()).bands == samples.bands


def test_other_bands_do_not_dim_those_that_are_shown():
    images = torch.tensor([5.0, 7.0, 9.0, 1000.0]).view(1, 4, 1, 1)
    assert first_pixels(FixedSamples(images, bands=(0, 1, 2))) == [[0, 128, 255]]


@pytest.mark.parametrize("bands", [(0, 1), (0, 1, 5), (0, 1, 2.0), "012"])
def test_refuses_bands_that_are_not_there(bands):
    with pytest.raises((ValueError, TypeError), match="bands must"):
        FixedSamples(torch.zeros(1, 5, 2, 2), bands=bands)


def test_originals_are_displayed_when_given():
    original = np.full((5, 7, 3), 9, dtype=np.uint8)
    samples = FixedSamples(constant_images(-5.0), originals=[original])
    assert np.array_equal(samples.display_pictures()[0], original)
    assert samples.pictures()[0].shape == (2, 2, 3)
    assert samples.display_note() is None
