"""Grad-CAM and its relatives on models worked out by hand, on several layers, in training."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

from lightning_cnnviz import CNNVisualizer, FixedSamples, GradCAM, GuidedGradCAM, Saliency, explain
from lightning_cnnviz.methods.cam import Variant
from tests.helpers.architectures import architecture
from tests.helpers.training import SmallCNN, events, fit, image_tags


class Hand(nn.Module):
    """A 3×3 convolution with ones in two channels, a ReLU, and a linear layer on all eight values.

    Of an image that counts from 0 to 15, both maps are 45, 54, 81 and 90.
    """

    def __init__(self, weight: list[list[float]]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(8, len(weight), bias=False)
        with torch.no_grad():
            self.conv.weight.fill_(1.0)
            self.fc.weight.copy_(torch.tensor(weight))

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.relu(self.conv(images)).flatten(1))
        return scores


COUNTING = torch.arange(16.0).reshape(1, 1, 4, 4)
WEIGHT = [[1.0, 1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0], [-1.0] * 8]
MAP = torch.tensor([[45.0, 54.0], [81.0, 90.0]])


def _tag(variant: Variant, layer: str) -> str:
    return f"{'grad_cam' if variant == 'gradcam' else variant}/{layer}"


@pytest.mark.parametrize("layer", ["conv", "relu"])
def test_grad_cam_by_hand(layer: str) -> None:
    # Channel weights: (1+1+1+1)/4 = 1 and (1-1-1-1)/4 = -1/2, on two equal maps.
    found = explain(Hand(WEIGHT), COUNTING, [GradCAM(layer)], target=0)
    assert found.arrays[f"grad_cam/{layer}"].equal(0.5 * MAP[None])


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        # A gradient of one everywhere has a share of 1/(2 + 270), of which channel 0 sums four and channel 1 one;
        # those of the negative gradients count nothing.
        ("gradcam++", (5 / 272) * MAP),
        ("hirescam", torch.tensor([[90.0, 0.0], [0.0, 0.0]])),
        ("xgradcam", (1 + (45 - 54 - 81 - 90) / 270) * MAP),
        ("layercam", torch.tensor([[90.0, 54.0], [81.0, 90.0]])),
    ],
)
def test_other_variants_by_hand(variant: Variant, expected: Tensor) -> None:
    found = explain(Hand(WEIGHT), COUNTING, [GradCAM("conv", variant)], target=0).arrays[f"{variant}/conv"]
    torch.testing.assert_close(found[0], expected)


def test_a_class_that_nothing_speaks_for_gives_a_blank_map_and_says_so() -> None:
    found = explain(Hand(WEIGHT), COUNTING, [GradCAM("conv")], target=1)
    assert not found.arrays["grad_cam/conv"].any()
    assert found.remarks == ["grad_cam/conv: 1 of 1 maps are all 0"]


def test_guided_grad_cam_by_hand() -> None:
    # Guided: of the convolution's outputs only those with a positive gradient count. The gradient of channel 0 is one
    # everywhere, of channel 1 only in the corner: each pixel gets one for every window it is part of.
    windows = torch.tensor([[1.0, 2, 2, 1], [2, 4, 4, 2], [2, 4, 4, 2], [1, 2, 2, 1]])
    windows[:3, :3] += 1
    found = explain(Hand(WEIGHT), COUNTING, [GuidedGradCAM("conv"), Saliency("guided")], target=0).arrays
    assert found["saliency/guided"][0, 0].equal(windows)
    # The map, enlarged from 2 to 4 pixels: each new pixel lies a quarter of the way to its neighbour.
    shares = torch.tensor([[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]])
    enlarged = shares @ (0.5 * MAP) @ shares.T
    torch.testing.assert_close(found["guided_grad_cam/conv"][0, 0], windows * enlarged)


def test_guided_grad_cam_is_nothing_where_grad_cam_is_nothing() -> None:
    found = explain(Hand(WEIGHT), COUNTING, [GuidedGradCAM("conv")], target=1)
    assert not found.arrays["guided_grad_cam/conv"].any()
    assert found.remarks == ["guided_grad_cam/conv: 1 of 1 maps are all 0"]


def test_guided_grad_cam_says_where_the_rule_reached_nothing() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.SiLU(), nn.Flatten(), nn.Linear(8, 2))
    remarks = explain(model, COUNTING, [GuidedGradCAM("0")]).remarks
    assert any(remark.startswith("About guided_grad_cam/0: the model has no ReLU") for remark in remarks)


def test_many_layers_of_one_pass() -> None:
    model, images = SmallCNN().eval(), torch.randn(2, 1, 8, 8)
    calls: list[None] = []
    handle = model.register_forward_hook(lambda *_: calls.append(None))
    found = explain(model, images, [GradCAM("all"), GuidedGradCAM(["stem", "body"])])
    handle.remove()
    assert len(calls) == 3  # two to survey the layers, one for all the maps
    layers = {f"{stage}.{index}" for stage in ("stem", "body") for index in range(3)}
    expected = {f"grad_cam/{layer}" for layer in layers} | {"guided_grad_cam/stem", "guided_grad_cam/body"}
    assert set(found.pictures) == set(found.arrays) == expected
    for layer in ("stem.1", "body.0"):
        alone = explain(model, images, [GradCAM(layer)]).arrays[f"grad_cam/{layer}"]
        assert found.arrays[f"grad_cam/{layer}"].equal(alone)


@pytest.mark.parametrize("variant", get_args(Variant))
def test_relu_in_place_makes_no_difference(variant: Variant) -> None:
    model, images = SmallCNN().eval(), torch.randn(2, 1, 8, 8)
    views = [GradCAM(["stem.1", "body.1", "body"], variant)]
    in_place = explain(model, images, views).arrays
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    out_of_place = explain(model, images, views).arrays
    assert all(out_of_place[tag].equal(array) for tag, array in in_place.items())


@pytest.mark.parametrize("variant", get_args(Variant))
def test_a_sample_is_explained_alike_in_any_company(variant: Variant) -> None:
    model, images = SmallCNN().eval(), torch.randn(4, 1, 8, 8)
    together = explain(model, images, [GradCAM(variant=variant)]).arrays[_tag(variant, "body")]
    alone = explain(model, images[2:3], [GradCAM(variant=variant)]).arrays[_tag(variant, "body")]
    torch.testing.assert_close(together[2:3], alone)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["googlenet", "densenet121"])
def test_every_layer_of_a_deep_network(name: str) -> None:
    model, images = architecture(name)
    found = explain(model, images.float(), [GradCAM("all")])
    assert len(found.arrays) > 100
    assert all(bool(array.isfinite().all()) and bool((array >= 0).all()) for array in found.arrays.values())


@pytest.mark.parametrize(
    ("view", "options", "message"),
    [
        (GradCAM, {"variant": "scorecam"}, "variant='scorecam': allowed are 'gradcam', 'gradcam\\+\\+'"),
        (GradCAM, {"alpha": 2}, "alpha must lie between 0 and 1, got 2"),
        (GradCAM, {"scale": "log"}, "scale='log': allowed are 'each', 'shared'"),
        (GuidedGradCAM, {"scale": "log"}, "scale='log': allowed are 'each', 'shared'"),
    ],
)
def test_arguments_out_of_range(view: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        view(**options)


@pytest.mark.parametrize("view", [GradCAM, GuidedGradCAM])
def test_a_layer_that_does_not_exist(view: Any) -> None:
    with pytest.raises(ValueError, match=r"layers='boddy'.*nearest: body"):
        explain(SmallCNN(), torch.rand(2, 1, 8, 8), [view("boddy")])


def test_in_training(tmp_path: Path) -> None:
    views = [GradCAM(variant=variant) for variant in get_args(Variant)]
    callback = CNNVisualizer([*views, GuidedGradCAM()], samples=FixedSamples(torch.rand(2, 1, 8, 8)), on_error="raise")
    fit(tmp_path, [callback], max_epochs=1)
    expected = {_tag(variant, "body") for variant in get_args(Variant)} | {"guided_grad_cam/body"}
    assert set(image_tags(events(tmp_path))) == expected
