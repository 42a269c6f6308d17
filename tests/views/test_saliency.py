"""Saliency on models whose gradients are known, in all its methods and drawings."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightning_cnnviz import CNNVisualizer, FixedSamples, Saliency, explain
from lightning_cnnviz.methods.gradients import Reduction
from lightning_cnnviz.methods.pixel_methods import Method
from lightning_cnnviz.render import Maps, SignedImages
from tests.helpers.training import SmallCNN, events, fit, image_tags

IMAGES = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(3))


class Sum(nn.Module):
    """Score of class 0: the sum of w · ReLU(x); of class 1 the negative of it."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, images: Tensor) -> Tensor:
        score = (self.weight * images.relu()).sum(dim=(1, 2, 3))
        return torch.stack([score, -score], dim=1)


# One pixel for each combination of the signs of the weight and of the pixel.
WEIGHT = torch.tensor([[[2.0, -3.0], [2.0, -3.0]]])
PIXELS = torch.tensor([[[[0.5, 0.25], [-0.5, -0.25]]]])
VALUES: dict[Method, list[float]] = {
    "gradient": [2, -3, 0, 0],
    "input_x_gradient": [1, -0.75, 0, 0],
    "guided": [2, 0, 0, 0],
    "deconvnet": [2, 0, 2, 0],
    "smoothgrad": [2, -3, 0, 0],
    "integrated_gradients": [1, -0.75, 0, 0],
}


def _array(method: Method, model: nn.Module, samples: FixedSamples | Tensor, target: Any = 0, **options: Any) -> Tensor:
    return explain(model, samples, [Saliency(method, **options)], target=target).arrays[f"saliency/{method}"]


@pytest.mark.parametrize("method", get_args(Method))
def test_values_by_hand(method: Method) -> None:
    found = _array(method, Sum(WEIGHT), PIXELS, noise=0.01)
    torch.testing.assert_close(found.flatten(), torch.tensor(VALUES[method]).float(), atol=1e-6, rtol=0)
    assert found.shape == PIXELS.shape
    assert found.dtype == torch.float32


def test_the_target_is_explained() -> None:
    assert _array("gradient", Sum(WEIGHT), PIXELS, target=1).flatten().tolist() == [-2, 3, 0, 0]
    assert _array("guided", Sum(WEIGHT), PIXELS, target=1).flatten().tolist() == [0, 3, 0, 0]
    assert _array(
        "smoothgrad", Sum(WEIGHT), PIXELS, target=lambda scores: scores[:, 1], noise=0.0
    ).flatten().tolist() == [-2, 3, 0, 0]


@pytest.mark.parametrize("method", ["guided", "deconvnet"])
def test_rules_are_the_gradient_where_there_is_no_relu(method: Method) -> None:
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(108, 4))
    found = explain(model, IMAGES, [Saliency(), Saliency(method)])
    assert found.arrays[f"saliency/{method}"].equal(found.arrays["saliency/gradient"])
    assert found.remarks == [
        f"About saliency/{method}: the model has no ReLU to apply the rule to, so this is its ordinary gradient"
    ]


@pytest.mark.parametrize("method", get_args(Method))
def test_relu_in_place_makes_no_difference(method: Method) -> None:
    model = SmallCNN().eval()
    in_place = _array(method, model, IMAGES)
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    assert _array(method, model, IMAGES).equal(in_place)


@pytest.mark.parametrize("method", get_args(Method))
def test_a_sample_is_explained_alike_in_any_company(method: Method) -> None:
    model = SmallCNN().eval()
    together, alone = _array(method, model, IMAGES), _array(method, model, IMAGES[1:2])
    torch.testing.assert_close(together[1:2], alone)


def test_smoothgrad_without_noise_is_the_gradient() -> None:
    model = SmallCNN().eval()
    smooth = _array("smoothgrad", model, IMAGES, target="predicted", noise=0.0)
    torch.testing.assert_close(smooth, _array("gradient", model, IMAGES, target="predicted"))


@pytest.mark.parametrize("target", ["predicted", [2, 0, 1], lambda scores: scores[:, 0] - scores[:, 1]])
def test_integrated_gradients_are_complete(target: Any) -> None:
    model = SmallCNN().eval()
    samples = FixedSamples(IMAGES, mean=[0.4], std=[0.2])
    found = _array("integrated_gradients", model, samples, target=target, steps=200)
    black = torch.full_like(IMAGES, -0.4 / 0.2)
    with torch.no_grad():
        change = model(IMAGES) - model(black)
    if callable(target):
        expected = target(change)
    else:
        classes = model(IMAGES).argmax(dim=1) if target == "predicted" else torch.tensor(target)
        expected = change.gather(1, classes[:, None])[:, 0]
    torch.testing.assert_close(found.sum(dim=(1, 2, 3)), expected, atol=0.01 * float(expected.abs().max()), rtol=0)


def test_the_baseline_is_black_or_zero() -> None:
    # Linear in the pixel: 2 times its distance from the baseline, which is (0 − 0.5)/0.25 = −2 or 0.
    model = Sum(torch.full((1, 1, 1), 2.0))
    samples = FixedSamples(torch.full((1, 1, 1, 1), 3.0), mean=[0.5], std=[0.25])

    class Linear(Sum):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images + 100)

    for baseline, expected in (("black", 10.0), ("zero", 6.0)):
        found = _array("integrated_gradients", Linear(model.weight.detach()), samples, baseline=baseline)
        assert found.item() == pytest.approx(expected)
    unknown = FixedSamples(samples.images)
    found = _array("integrated_gradients", Linear(model.weight.detach()), unknown, baseline="black")
    assert found.item() == pytest.approx(6.0)


def test_incomplete_integration_is_said() -> None:
    # A ReLU that opens at 0.75 of the way: two points at 1/4 and 3/4 miss it altogether.
    class Late(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            score = (images - 0.76).relu().sum(dim=(1, 2, 3))
            return torch.stack([score, -score], dim=1)

    image = torch.ones(1, 1, 1, 1)
    coarse = explain(Late(), image, [Saliency("integrated_gradients", steps=2)], target=0)
    assert any("steps=2 the attributions miss the difference of the scores by 100%" in text for text in coarse.remarks)
    assert not any(
        "miss" in text for text in explain(Late(), image, [Saliency("integrated_gradients", steps=200)]).remarks
    )


def test_several_methods_share_one_look() -> None:
    model = SmallCNN().eval()
    found = explain(model, IMAGES, [Saliency(method, steps=2) for method in get_args(Method)], target=0)
    assert set(found.pictures) == set(found.arrays) == {f"saliency/{method}" for method in get_args(Method)}
    for method in get_args(Method):
        assert found.arrays[f"saliency/{method}"].equal(_array(method, model, IMAGES, steps=2))


@pytest.mark.parametrize("reduction", [*get_args(Reduction), "panels"])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_every_reduction_draws_its_own_picture(reduction: Any, channels: int) -> None:
    model = nn.Sequential(nn.Conv2d(channels, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 4))
    images = torch.rand(2, channels, 8, 8)
    picture = explain(model, images, [Saliency(reduction=reduction)]).pictures["saliency/gradient"]
    other = explain(model, images, [Saliency(reduction="absolute" if reduction != "absolute" else "squared")])
    assert picture.dtype == np.uint8
    assert 600 <= picture.shape[1] <= 1400
    assert (
        picture.shape != other.pictures["saliency/gradient"].shape
        or (picture != other.pictures["saliency/gradient"]).any()
    )


def panel(values: list[list[list[list[float]]]], part: str = "both", scale: str = "each") -> list[np.ndarray]:
    return [cell for (cell,) in SignedImages(np.array(values, np.float32), "", part, scale).cells(())]


def test_color_panels_put_zero_at_mid_grey_and_all_channels_on_one_scale() -> None:
    values = [[[[4.0, 0.0]], [[-2.0, 0.0]], [[0.0, 1.0]]]]
    (both,), (positive,), (negative,) = panel(values), panel(values, "positive"), panel(values, "negative")
    assert both.tolist() == [[[255, 64, 128], [128, 128, 159]]]
    assert positive.tolist() == [[[255, 0, 0], [0, 0, 64]]]
    assert negative.tolist() == [[[0, 255, 0], [0, 0, 0]]]


def test_one_scale_for_all_samples() -> None:
    values = [[[[4.0]]], [[[2.0]]]]
    assert [int(picture[0, 0, 0]) for picture in panel(values)] == [255, 255]
    assert [int(picture[0, 0, 0]) for picture in panel(values, scale="shared")] == [255, 191]


def test_a_gradient_that_is_zero_everywhere_is_said() -> None:
    found = explain(Sum(torch.zeros(1, 2, 2)), PIXELS, [Saliency(), Saliency("guided")])
    assert sorted(found.remarks) == [
        "saliency/gradient: 1 of 1 maps are all 0",
        "saliency/guided: 1 of 1 maps are all 0",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "lrp"}, "method='lrp': allowed are 'gradient'"),
        ({"reduction": "mean"}, "reduction='mean': allowed are .*'panels'"),
        ({"baseline": "white"}, "baseline='white': allowed are 'black', 'zero'"),
        ({"scale": "log"}, "scale='log'"),
        ({"steps": 0}, "steps must be a positive integer, got 0"),
        ({"noise": 1.5}, "noise must lie between 0 and 1, got 1.5"),
        ({"alpha": -1}, "alpha must lie between 0 and 1"),
    ],
)
def test_arguments_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Saliency(**options)


def test_in_training(tmp_path: Path) -> None:
    views = [Saliency(method, steps=2) for method in get_args(Method)]
    fit(tmp_path, [CNNVisualizer(views, samples=2, on_error="raise")], max_epochs=1)
    assert {f"saliency/{method}" for method in get_args(Method)} <= set(image_tags(events(tmp_path)))


def test_the_image_below_a_map_is_the_rounded_mean_of_its_channels() -> None:
    values = np.arange(256, dtype=np.uint8)
    red, green = np.meshgrid(values, values)
    flat = np.zeros((1, 1, 2, 2), np.float32)
    for blue in (0, 1, 2, 127, 255):
        picture = np.dstack([red, green, np.full_like(red, blue)])
        ((grey,),) = Maps(flat, ("",), laying="over", alpha=0.0, grey=True).cells([picture])
        assert (grey == np.rint(picture.astype(float).mean(axis=2))[..., None]).all()
        assert grey.dtype == np.uint8
