"""Images that a model cuts into pieces are told, and those that it normalises one by one are not taken for such."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.model.survey.test_lie import SIDE, WAYS, layout_of


def test_images_in_pieces_are_told() -> None:
    halves = layout_of(lambda x: torch.cat([x[..., 17:], x[..., 14:17], x[..., :14]], dim=3)[..., :30])
    assert halves.frame is None
    assert any("does not lie on the image as one piece" in remark for remark in halves.remarks)


def from_0_to_1(images: Tensor) -> Tensor:
    lowest, highest = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    return (images - lowest) / (highest - lowest)


NORMALISED: dict[str, Callable[[Tensor], Tensor]] = {
    "less their mean": lambda x: x - x.mean((2, 3), keepdim=True),
    "of mean 0 and spread 1": lambda x: (x - x.mean((1, 2, 3), keepdim=True)) / x.std((1, 2, 3), keepdim=True),
    "from 0 to 1": from_0_to_1,
    "by the largest value": lambda x: x / x.amax((1, 2, 3), keepdim=True),
    "channel by channel": nn.InstanceNorm2d(3),
    "by their length": lambda x: x / x.square().sum((1, 2, 3), keepdim=True).sqrt(),
}

GEOMETRY = ("nothing", "a crop of the middle", "padding", "another shape", "a crop lying on its side")


def dark_with_a_bright_middle() -> Tensor:
    images = torch.zeros(2, 3, SIDE, SIDE)
    images[..., 8:24, 8:24] = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    return images


@pytest.mark.parametrize("images", [None, dark_with_a_bright_middle()], ids=["noise", "dark"])
@pytest.mark.parametrize("way", GEOMETRY)
@pytest.mark.parametrize("name", NORMALISED)
def test_images_that_are_normalised_one_by_one_lie_as_others_do(name: str, way: str, images: Tensor | None) -> None:
    normalise, (prepare, expected) = NORMALISED[name], WAYS[way]
    for found in (
        layout_of(lambda x: prepare(normalise(x)), images),
        layout_of(lambda x: normalise(prepare(x)), images),
    ):
        assert not any("as one piece" in remark for remark in found.remarks)
        assert (found.frame is None) == (expected is None)
        if found.frame is not None and expected is not None:
            edges = [(frame.top, frame.left, frame.bottom, frame.right) for frame in (found.frame, expected)]
            assert edges[0] == pytest.approx(edges[1], abs=0.02)


@pytest.mark.parametrize("name", NORMALISED)
def test_pieces_of_normalised_images_are_told(name: str) -> None:
    found = layout_of(lambda x: NORMALISED[name](x).roll(8, 3))
    assert any("as one piece" in remark for remark in found.remarks)
    assert found.frame is None


def halves_exchanged(images: Tensor) -> Tensor:
    return torch.cat([images[..., 16:, :], images[..., :16, :]], dim=2)


def every_other_row_first(images: Tensor) -> Tensor:
    return torch.cat([images[..., ::2, :], images[..., 1::2, :]], dim=2)


@pytest.mark.parametrize("turned", [False, True], ids=["rows", "columns"])
@pytest.mark.parametrize("piece", [halves_exchanged, every_other_row_first])
def test_rows_in_another_order_are_told_as_columns_are(piece: Callable[[Tensor], Tensor], turned: bool) -> None:
    found = layout_of(lambda x: piece(x.transpose(2, 3)).transpose(2, 3) if turned else piece(x))
    assert found.frame is None
    assert any("as one piece" in remark for remark in found.remarks)


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("far", [3, 8, 13, 28])
def test_images_that_are_rolled_are_told(far: int, dimension: int) -> None:
    found = layout_of(lambda x: x.roll(far, dimension))
    assert any("as one piece" in remark for remark in found.remarks)
    assert found.frame is None
