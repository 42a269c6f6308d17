from __future__ import annotations

import pytest
import torch

from lightning_cnnviz.methods.receptive_fields import field_box, strongest_places


def test_the_whole_field_is_every_pixel_that_counts() -> None:
    gradient = torch.zeros(3, 10, 12)
    gradient[1, 2, 3], gradient[2, 7, 9] = 1e-6, -5.0
    assert field_box(gradient) == (3, 2, 10, 8)


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (1.0, (0, 0, 7, 1)),
        (0.99, (1, 0, 6, 1)),
        (0.5, (2, 0, 5, 1)),
        (1e-9, (3, 0, 4, 1)),
    ],
)
def test_as_much_is_left_out_on_both_sides(share: float, expected: tuple[int, ...]) -> None:
    energy = torch.tensor([0.001, 0.05, 0.2, 0.498, 0.2, 0.05, 0.001])
    assert field_box(energy.sqrt().reshape(1, 1, 7), share) == expected


@pytest.mark.parametrize("value", [0.0, torch.nan])
def test_what_depends_on_nothing_sees_the_whole_image(value: float) -> None:
    assert field_box(torch.full((1, 4, 6), value)) == (0, 0, 6, 4)


def test_one_place_of_each_image_the_strongest_first() -> None:
    activations = torch.zeros(3, 2, 2, 2)
    activations[0, 0] = torch.tensor([[5.0, 4.0], [0.0, 0.0]])
    activations[1, 0] = torch.tensor([[0.0, 0.0], [0.0, 9.0]])
    activations[2, 1] = torch.tensor([[0.0, torch.nan], [3.0, 0.0]])
    values, images, places = strongest_places(activations, [0, 1], 2)
    assert values.tolist() == [[9.0, 5.0], [3.0, 0.0]]
    assert images[:, 0].tolist() == [1, 2]
    assert images[0].tolist() == [1, 0]
    assert places[0].tolist() == [3, 0]
    assert places[1, 0] == 2


def test_no_more_images_than_there_are() -> None:
    assert strongest_places(torch.rand(2, 4, 3, 3), [3], 5)[0].shape == (1, 2)
