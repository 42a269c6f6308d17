"""How images lie is found behind layers that no hook sees, and whatever numbers they are made of."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_cnnviz import FixedSamples, GradCAM, explain
from lightning_cnnviz.model.probe import Probe
from tests.model.survey.test_lie import SIDE, SPOT, WAYS, Crops, Prepares, layout_of


class Stemmed(nn.Module):
    """Has a first convolution that is watched, or one that is not."""

    def __init__(self, kernel: int, stride: int, *, watched: bool) -> None:
        super().__init__()
        stem = nn.Conv2d(3, 4, kernel, stride, kernel // 2)
        self.stem: nn.Module | list[nn.Module] = stem if watched else [stem]
        self.conv, self.head = nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        stem = self.stem if isinstance(self.stem, nn.Module) else self.stem[0]
        return self.head(self.conv(stem(images).relu()).relu().mean((2, 3)))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 2), (7, 2), (7, 4)])
def test_maps_behind_a_convolution_that_is_not_watched_lie_as_behind_one_that_is(
    kernel: int, stride: int, seed: int
) -> None:
    found = []
    for watched in (True, False):
        torch.manual_seed(seed)
        model = Stemmed(kernel, stride, watched=watched)
        torch.nn.init.uniform_(model.head.weight, 0, 1)  # else maps may be all 0
        found.append(explain(model, SPOT + 0.1 * torch.rand(SPOT.shape), [GradCAM("conv")]))
        assert not any("as one piece" in remark for remark in found[-1].remarks)
    arrays = [explanation.arrays["grad_cam/conv"] for explanation in found]
    assert arrays[0].abs().max() > 0
    assert torch.equal(*arrays)


def test_a_crop_before_a_convolution_that_is_not_watched_is_found() -> None:
    torch.manual_seed(0)
    model = Stemmed(3, 1, watched=False)
    stem = model.stem[0]  # type: ignore[index]
    model.stem = [nn.Sequential(Crops(), stem)]
    found = Probe(model).survey(FixedSamples(torch.rand(2, 3, SIDE, SIDE))).frame
    assert found is not None
    assert (found.top, found.left, found.bottom, found.right) == pytest.approx((0, 0, 1, 0.5), abs=0.02)


def test_few_places_behind_layers_that_are_not_watched_are_taken_as_they_lie() -> None:
    torch.manual_seed(3)
    model = Stemmed(3, 2, watched=False)
    model.stem = [nn.Sequential(*model.stem, *(nn.Conv2d(4, 4, 3, 2, 1) for _ in range(3)))]  # type: ignore[misc]
    found = Probe(model).survey(FixedSamples(torch.rand(2, 3, SIDE, SIDE)))
    assert found.layers[0].spatial == (2, 2)
    assert found.frame is None
    assert found.remarks == ()


def test_a_crop_of_images_that_get_noise_is_found() -> None:
    found = layout_of(lambda x: (x + 0.1 * torch.randn_like(x))[..., :16])
    assert found.frame is not None
    assert (found.frame.top, found.frame.left) == pytest.approx((0, 0), abs=0.02)
    assert (found.frame.bottom, found.frame.right) == pytest.approx((1, 0.5), abs=0.02)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_numbers_of_few_digits_tell_as_much(dtype: torch.dtype) -> None:
    images = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)).to(dtype)
    cropped = Probe(Prepares(WAYS["a crop of the middle"][0]).to(dtype)).survey(FixedSamples(images)).frame
    assert cropped is not None
    edges = (cropped.top, cropped.left, cropped.bottom, cropped.right)
    assert edges == pytest.approx((0.125, 0.25, 0.875, 0.75), abs=0.01)
    blurred = Probe(Prepares(lambda x: F.avg_pool2d(x, 5, 1, 2)).to(dtype)).survey(FixedSamples(images))
    assert blurred.frame is None
    assert blurred.remarks == ()


def test_images_of_two_values_lie_as_they_are() -> None:
    black_and_white = (torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) > 0.8).float()
    found = layout_of(lambda x: (x > x.mean((2, 3), keepdim=True)).to(x), black_and_white)
    assert found.frame is None
    assert found.remarks == ()


def test_what_sees_all_of_the_image_everywhere_has_no_place_by_chance() -> None:
    images = torch.rand(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    assert layout_of(lambda x: F.avg_pool2d(x, 5, 1, 2), images).frame is None
