"""From where in the image each place of what a layer is given is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_cnnviz.model.survey.places import find_places

IMAGES = torch.rand(2, 3, 8, 16, generator=torch.Generator().manual_seed(0))
ROWS, COLUMNS = (torch.arange(8) + 0.5) / 8, (torch.arange(16) + 0.5) / 16


def found(prepare: Callable[[Tensor], Tensor | None], images: Tensor = IMAGES) -> Tensor:
    places = find_places(prepare, images)
    assert places is not None
    return places


def test_each_place_of_an_image_is_from_itself() -> None:
    rows, columns = found(lambda x: x)
    torch.testing.assert_close(rows, ROWS[:, None].expand(8, 16), rtol=0, atol=1e-4)
    torch.testing.assert_close(columns, COLUMNS.expand(8, 16), rtol=0, atol=1e-4)


def test_places_move_with_what_is_moved() -> None:
    rows, columns = found(lambda x: x[:, :1, 2:6].flip(3).transpose(2, 3))
    torch.testing.assert_close(rows, ROWS[2:6].expand(16, 4), rtol=0, atol=1e-4)
    torch.testing.assert_close(columns, COLUMNS.flip(0)[:, None].expand(16, 4), rtol=0, atol=1e-4)


def test_padding_is_from_nowhere() -> None:
    rows, _ = found(lambda x: F.pad(x, (0, 0, 1, 0), value=3.0))
    assert rows.isnan().sum(dim=1).tolist() == [16] + [0] * 8


@pytest.mark.parametrize("kernel", [(1.0, -2.0, 1.0), (-1.0, 0.0, 1.0), (1.0, 1.0, 1.0)])
def test_places_are_the_middle_of_what_a_kernel_covers_whatever_its_signs(kernel: tuple[float, ...]) -> None:
    weight = torch.tensor(kernel).expand(64, 1, 1, 3)
    images = torch.rand(2, 1, 4, 400, generator=torch.Generator().manual_seed(0))
    _, columns = found(lambda x: F.conv2d(x, weight, padding=(0, 1)), images)
    assert float((columns[:, 1:-1] * 400 - torch.arange(1, 399) - 0.5).nanmedian()) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("normalise", [
    lambda x: x - x.mean((2, 3), keepdim=True),
    lambda x: x / x.amax((2, 3), keepdim=True),
    lambda x: x - x.amin((2, 3), keepdim=True),
], ids=["mean", "largest", "smallest"])  # fmt: skip
def test_what_does_the_same_to_all_places_moves_none(normalise: Callable[[Tensor], Tensor]) -> None:
    rows, columns = found(normalise)
    torch.testing.assert_close(rows, ROWS[:, None].expand(8, 16), rtol=0, atol=1e-3)
    torch.testing.assert_close(columns, COLUMNS.expand(8, 16), rtol=0, atol=1e-3)


def test_what_does_not_depend_on_the_images_is_from_nowhere() -> None:
    assert find_places(torch.zeros_like, IMAGES) is None
    assert find_places(lambda _: None, IMAGES) is None


def test_images_of_one_value_tell_as_much() -> None:
    rows, _ = found(lambda x: x, torch.zeros(2, 1, 8, 8))
    known = rows.isfinite()
    assert known.sum() >= 63  # the first pixel of each channel holds the range of values
    torch.testing.assert_close(rows[known], ROWS[:, None].expand(8, 8)[known])
