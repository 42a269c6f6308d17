"""Maps of models that crop, pad or zoom their images themselves lie on the samples where they come from."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from lightning_cnnviz import CAM, Contrast, FixedSamples, GradCAM, GuidedGradCAM, explain
from lightning_cnnviz.model.layers.frame import Frame
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.model.probe import Probe

SIDE = 32
SPOT = torch.zeros(2, 3, SIDE, SIDE)
SPOT[..., 12:20, 8:12] = 1


class Prepares(nn.Module):
    """Sees bright spots in what it makes of the images."""

    def __init__(self, prepare: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.prepare = prepare
        self.conv = nn.Conv2d(3, 1, 1, bias=False)
        self.head = nn.Linear(1, 2, bias=False)
        nn.init.ones_(self.conv.weight)
        self.head.weight.data = torch.tensor([[-1.0], [1.0]])

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.conv(self.prepare(images))
        return self.head(maps.mean((2, 3)))


def layout_of(prepare: Callable[[Tensor], Tensor], images: Tensor | None = None) -> Layout:
    given = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) if images is None else images
    return Probe(Prepares(prepare)).survey(FixedSamples(given))


WAYS: dict[str, tuple[Callable[[Tensor], Tensor], Frame | None]] = {
    "nothing": (lambda x: x, None),
    "a crop of the middle": (lambda x: x[..., 4:-4, 8:-8], Frame(0.125, 0.25, 0.875, 0.75)),
    "a crop of a corner": (lambda x: x[..., :24, :16], Frame(0, 0, 0.75, 0.5)),
    "padding": (lambda x: F.pad(x, (16, 16, 8, 8)), Frame(-0.25, -0.5, 1.25, 1.5)),
    "padding on one side, of ones": (lambda x: F.pad(x, (16, 0, 0, 0), value=1.0), Frame(0, -0.5, 1, 1)),
    "padding by reflection": (lambda x: F.pad(x, (4, 4, 4, 4), mode="reflect"), Frame(-0.125, -0.125, 1.125, 1.125)),
    "a smaller size": (lambda x: F.interpolate(x, (16, 16), mode="bilinear"), None),
    "another shape": (lambda x: F.interpolate(x, (48, 24), mode="bilinear", antialias=True), None),
    "a larger size, pixel by pixel": (lambda x: F.interpolate(x, (48, 48)), None),
    "a crop enlarged to the old size": (
        lambda x: F.interpolate(x[..., 4:-4, 4:-4], (32, 32), mode="bilinear"), Frame(0.125, 0.125, 0.875, 0.875)),
    "a mirrored crop": (lambda x: x[..., :16].flip(-1), Frame(0, 0, 1, 0.5)),
    "a crop lying on its side": (lambda x: x[..., :16].transpose(2, 3), Frame(0, 0, 1, 0.5)),
    "rows moved up, and nothing below": (lambda x: F.pad(x[..., 8:, :], (0, 0, 0, 8)), Frame(0.25, 0, 1.25, 1)),
    "columns moved to the left, and nothing beside": (lambda x: F.pad(x[..., 8:], (0, 8)), Frame(0, 0.25, 1, 1.25)),
    "rows enlarged to the old height": (
        lambda x: F.interpolate(x[..., 8:24, :], (32, 32), mode="bilinear"), Frame(0.25, 0, 0.75, 1)),
    "columns enlarged to the old width": (
        lambda x: F.interpolate(x[..., 8:24], (32, 32), mode="bilinear"), Frame(0, 0.25, 1, 0.75)),
    "rows in the opposite order, and fewer": (
        lambda x: F.pad(x[..., :24, :].flip(2), (0, 0, 0, 8)), Frame(-0.25, 0, 0.75, 1)),
    "every second pixel, four times": (
        lambda x: F.conv2d(F.pixel_unshuffle(x, 2), torch.eye(3).repeat_interleave(4, 1)[..., None, None]), None),
    "a crop of normalised images": (lambda x: ((x - 0.4) / 0.2)[..., :16], Frame(0, 0, 1, 0.5)),
    "a crop of images normalised in place": (lambda x: x.sub_(0.4).div_(0.2)[..., :16], Frame(0, 0, 1, 0.5)),
    "a crop, cut off and darkened": (lambda x: (x[..., :16].clamp(0.1, 0.9) ** 2), Frame(0, 0, 1, 0.5)),
}  # fmt: skip


@pytest.mark.parametrize("name", WAYS)
def test_the_part_that_is_seen_is_found(name: str) -> None:
    prepare, expected = WAYS[name]
    found = layout_of(prepare)
    assert not any("as one piece" in remark for remark in found.remarks)
    if expected is None:
        assert found.frame is None
        return
    assert found.frame is not None
    edges = ((frame.top, frame.left, frame.bottom, frame.right) for frame in (found.frame, expected))
    assert torch.tensor(next(edges)).sub(torch.tensor(next(edges))).abs().max() < 0.02


def left_half(images: Tensor) -> Tensor:
    return images[..., :16]


class Crops(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return left_half(images)


class Shaded(nn.Module):
    """Has a weight for each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.shade = nn.Parameter(torch.full((1, 3, 1, 1), 1.5))

    def forward(self, images: Tensor) -> Tensor:
        return images * self.shade


class Learned(nn.Module):
    """A prompt, which is called with nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.full((1, 3, 1, 1), 0.1))

    def forward(self) -> Tensor:
        return self.value


def with_a_parametrization(model: Prepares) -> None:
    parametrizations.weight_norm(model.conv)


def inside_a_block(model: Prepares) -> None:
    model.prepare, model.conv = nn.Identity(), nn.Sequential(Crops(), model.conv)  # type: ignore[assignment]


def after_a_gate(model: Prepares) -> None:
    model.gate = nn.Linear(3, 3)
    model.prepare = lambda x: left_half(x) * (1 + 0.1 * model.gate(x.mean((2, 3))).tanh())[..., None, None]


def after_a_prompt(model: Prepares) -> None:
    model.prompt = Learned()
    model.prepare = lambda x: left_half(x) + model.prompt()


@pytest.mark.parametrize("change", [with_a_parametrization, inside_a_block, after_a_gate, after_a_prompt])
def test_the_part_is_that_of_the_first_layer_with_weights_that_is_given_maps(
    change: Callable[[Prepares], None],
) -> None:
    torch.manual_seed(0)
    model = Prepares(left_half)
    change(model)
    found = Probe(model).survey(FixedSamples(torch.rand(2, 3, SIDE, SIDE))).frame
    assert found is not None
    assert (found.top, found.left, found.bottom, found.right) == pytest.approx((0, 0, 1, 0.5), abs=0.02)


SEEING = [name for name in WAYS if name not in ("a smaller size", "another shape", "every second pixel, four times")]


@pytest.mark.parametrize("name", SEEING)
def test_grad_cam_lies_on_the_spot(name: str) -> None:
    found = explain(Prepares(WAYS[name][0]), SPOT, [GradCAM("conv")], target=1).arrays["grad_cam/conv"]
    maps = F.interpolate(found[:, None], (SIDE, SIDE), mode="nearest")[:, 0]
    bright = (maps[0] > 0.5 * maps[0].max()).nonzero().float()
    edges = torch.cat([bright.amin(dim=0), bright.amax(dim=0)])
    assert (edges - torch.tensor([12.0, 8.0, 19.0, 11.0])).abs().max() <= 1  # as precise as enlarging is


def test_the_other_maps_over_samples_lie_there_too() -> None:
    prepare, _ = WAYS["padding on one side, of ones"]
    views = [CAM(), GuidedGradCAM("conv"), Contrast("conv")]
    arrays = explain(Prepares(prepare), SPOT, views, target=1).arrays
    for tag, maps in arrays.items():
        found = maps[0] if maps.ndim == 3 else maps[0].abs().amax(dim=0)
        assert found.shape == (SIDE, SIDE), tag
        rows, columns = (found > 0.5 * found.max()).nonzero(as_tuple=True)
        assert (int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())) == (12, 19, 8, 11), tag


SCALED: dict[str, Callable[[], nn.Module]] = {
    "batch normalisation": lambda: nn.BatchNorm2d(3),
    "instance normalisation": lambda: nn.InstanceNorm2d(3, affine=True),
    "group normalisation": lambda: nn.GroupNorm(1, 3),
    "weights of its own": Shaded,
    "two": lambda: nn.Sequential(nn.BatchNorm2d(3), nn.PReLU(3)),
}


@pytest.mark.parametrize("way", SEEING)
@pytest.mark.parametrize("name", SCALED)
def test_what_scales_the_channels_may_come_first(name: str, way: str) -> None:
    prepare, _ = WAYS[way]
    images, found = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)), []
    for scale in (nn.Identity(), SCALED[name]()):
        model = Prepares(prepare)
        model.scale, model.prepare = scale, lambda x, scale=scale: prepare(scale(x))
        found.append(Probe(model.eval()).survey(FixedSamples(images)))
    frames = [Frame(0, 0, 1, 1) if one.frame is None else one.frame for one in found]
    edges = [(frame.top, frame.left, frame.bottom, frame.right) for frame in frames]
    assert edges[0] == pytest.approx(edges[1], abs=0.02)
    assert found[0].remarks == found[1].remarks
    assert found[0]["conv"].calls == found[1]["conv"].calls


def test_maps_of_what_comes_before_a_mirrored_crop_lie_on_the_whole_image() -> None:
    model = Prepares(lambda x: model.norm(x)[..., :16].flip(-1))
    model.norm = nn.BatchNorm2d(3)
    arrays = explain(model.eval(), SPOT, [GradCAM(["norm", "conv"]), Contrast("norm")], target=1).arrays
    for tag in ("grad_cam/norm", "grad_cam/conv"):
        rows, columns = (arrays[tag][0] > 0.5 * arrays[tag].max()).nonzero(as_tuple=True)
        assert (int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())) == (12, 19, 8, 11), tag
    torch.testing.assert_close(arrays["contrast/norm"].amax(dim=1), arrays["grad_cam/norm"])


def test_what_normalises_channels_that_are_turned_away_tells_nothing_of_the_image() -> None:
    """As audio networks do, which normalise each frequency."""
    model = Prepares(lambda x: model.norm(x.transpose(1, 3)).transpose(1, 3))
    model.norm = nn.BatchNorm2d(SIDE)
    found = Probe(model.eval()).survey(FixedSamples(torch.rand(2, 3, SIDE, SIDE)))
    assert found.frame is None
    assert found.remarks == ()


def test_maps_are_zero_where_the_model_sees_nothing() -> None:
    maps = Frame(0, 0.5, 1, 1).on_image(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]))
    assert maps.tolist() == [[[0.0, 0.0, 1.0, 2.0], [0.0, 0.0, 3.0, 4.0]]]
    maps = Frame(0, -1, 1, 1).on_image(torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]))
    assert maps.tolist() == [[[3.0, 4.0]]]
