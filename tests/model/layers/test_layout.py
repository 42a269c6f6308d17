"""Names, globs and words resolved to layers, on networks that everybody knows."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torchvision.ops import SqueezeExcitation

from lightning_cnnviz.model.layers.layout import Layout, check_names, clean_name, named_layers
from lightning_cnnviz.model.probe import Probe
from lightning_cnnviz.samples import FixedSamples
from tests.helpers.model_shapes import Net


@lru_cache
def _layout(name: str) -> Layout:
    model = torchvision.models.get_model(name, num_classes=4)
    return Probe(model).survey(FixedSamples(torch.randn(2, 3, 64, 64)))


def _of(model: nn.Module, *shape: int) -> Layout:
    return Probe(model).survey(FixedSamples(torch.randn(2, *shape)))


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("resnet18", "layer4"),
        ("mobilenet_v3_small", "features"),
        ("shufflenet_v2_x0_5", "conv5"),
        ("squeezenet1_1", "classifier.2"),
        pytest.param("densenet121", "features", marks=pytest.mark.slow),
        pytest.param("efficientnet_b0", "features", marks=pytest.mark.slow),
        pytest.param("regnet_y_400mf", "trunk_output", marks=pytest.mark.slow),
        pytest.param("convnext_tiny", "features", marks=pytest.mark.slow),
    ],
)
def test_last(name: str, last: str) -> None:
    assert _layout(name).maps("last") == (last,)


@pytest.mark.slow
def test_last_of_vgg16_is_what_its_last_pooling_takes() -> None:
    features = torchvision.models.vgg16(num_classes=4).features
    assert isinstance(features[29], nn.ReLU)

    class Slim(nn.Module):  # VGG16 without its 100 million weights behind the maps
        def __init__(self) -> None:
            super().__init__()
            self.features = features
            self.classifier = nn.Linear(512 * 4, 4)

        def forward(self, images: Tensor) -> Tensor:
            scores: Tensor = self.classifier(self.features(images).flatten(1))
            return scores

    layout = _of(Slim(), 3, 64, 64)
    assert layout.maps("last") == ("features.29",)
    assert layout.maps("first") == ("features.0",)
    assert layout.maps("auto") == ("features.3", "features.8", "features.15", "features.22", "features.29")


def test_words_on_resnet18() -> None:
    layout = _layout("resnet18")
    assert layout.maps("first") == ("conv1",)
    assert layout.maps("auto") == ("relu", "layer1", "layer2", "layer3", "layer4")
    assert layout.convolutions("first") == layout.convolutions("auto") == ("conv1",)
    assert layout.convolutions("last") == ("layer4.1.conv2",)
    assert len(layout.convolutions("all")) == 20
    every = layout.maps("all")
    assert "avgpool" not in every
    assert not {"layer4", "layer4.1"} & set(every)  # they hand on what the last ReLU puts out
    assert {"layer4.1.relu", "layer4.1.conv2", "layer4.0.downsample.1", "maxpool", "bn1"} <= set(every)


def test_names_and_globs_come_in_order_of_execution() -> None:
    layout = _layout("resnet18")
    assert layout.maps("layer?") == ("layer1", "layer2", "layer3", "layer4")
    assert layout.maps("layer?.0.conv1") == tuple(f"layer{stage}.0.conv1" for stage in (1, 2, 3, 4))
    assert layout.maps(["layer4", "first", "layer2", "layer2"]) == ("conv1", "layer2", "layer4")
    assert layout.maps(("last", "layer4")) == ("layer4",)
    assert layout.maps("_orig_mod.layer4") == ("layer4",)
    assert layout.convolutions("layer1.*") == tuple(f"layer1.{b}.conv{c}" for b in (0, 1) for c in (1, 2))


def test_squeeze_and_excitation_is_no_last_layer() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), SqueezeExcitation(8, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)
    )
    layout = _of(model, 3, 16, 16)
    assert layout.maps("last") == ("1",)  # the maps it has weighed, not its convolutions of one pixel
    assert layout.maps("auto") == ("1",)
    assert "1.fc1" not in layout.maps("all")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("layer5", r"no such layer; nearest: layer\d"),
        ("layer4.2.conv1", "no such layer; nearest: layer4.1.conv1"),
        ("stage*", "no such layer"),
        ("fc", "no spatial output"),
        ("avgpool", "no spatial output"),
        (["layer4", "layer9"], "layers='layer9'.*no such layer"),
    ],
)
def test_names_that_mean_no_map(spec: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _layout("resnet18").maps(spec)


def test_names_that_mean_no_convolution() -> None:
    with pytest.raises(ValueError, match=r"'bn1'.*no two-dimensional convolution.*nearest: .*conv1"):
        _layout("resnet18").convolutions("bn1")


def test_a_layer_that_is_not_called() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(32, 3))
    model[0].register_module("spare", nn.Conv2d(1, 1, 1))
    layout = _of(model, 1, 6, 6)
    assert layout.uncalled == ("0.spare",)
    with pytest.raises(ValueError, match="does not call this layer"):
        layout.maps("0.spare")


@pytest.mark.parametrize("word", ["auto", "first", "last", "all"])
def test_words_without_a_convolution(word: str) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    with pytest.raises(ValueError, match=f"'{word}' needs a two-dimensional convolution"):
        _of(model, 1, 4, 4).maps(word)
    with pytest.raises(ValueError, match="this needs a model with a two-dimensional convolution"):
        check_names(model, word)


class Unseen(nn.Module):
    """Convolves where PyTorch finds no module of a convolution."""

    def __init__(self, how: str) -> None:
        super().__init__()
        convolution = nn.Conv2d(1, 2, 3)
        self.layers = {"list": [convolution], "dictionary": {"a": convolution}, "none": [nn.Linear(2, 2)]}.get(how)
        self.weight = nn.Parameter(torch.ones(2, 1, 3, 3)) if how == "function" else None
        self.head = nn.Linear(2, 2)


@pytest.mark.parametrize("how", ["list", "dictionary", "function", "none"])
def test_convolutions_that_are_no_modules_of_the_model_are_told_of(how: str) -> None:
    with pytest.raises(ValueError, match="Unseen has none") as told:
        check_names(Unseen(how), "last")
    assert ("an nn.Conv2d attribute" in str(told.value)) == (how != "none")


def test_names_are_checked_before_any_pass() -> None:
    model = torchvision.models.resnet18()
    for spec in ("auto", "layer4", "layer?.0.conv1", ["first", "layer2"], "_orig_mod.layer4"):
        check_names(model, spec)
    with pytest.raises(ValueError, match=r"'layer44'.*nearest: layer4"):
        check_names(model, ["layer1", "layer44"])
    with pytest.raises(TypeError, match="layers takes names"):
        check_names(model, [4])  # type: ignore[list-item]


def test_names_are_those_the_user_wrote() -> None:
    assert clean_name("_orig_mod.net._orig_mod.conv") == "net.conv"
    model = nn.Sequential(nn.Conv2d(1, 1, 1))
    wrapper = nn.Module()
    wrapper._orig_mod = model
    assert list(named_layers(wrapper)) == ["0"]


def test_layers_know_their_shape_and_whether_they_repeat_a_child() -> None:
    layout = _layout("resnet18")
    assert layout["layer4"].shape == (512, 2, 2)
    assert layout["layer4"].repeats_child
    assert not layout["layer4.1.relu"].repeats_child
    assert layout["conv1"].is_convolution
    assert layout["conv1"].spatial == (32, 32)
    assert layout["avgpool"].spatial is None
    assert layout["fc"].spatial is None
    assert layout.classes == 4
    assert layout.position("conv1") < layout.position("layer1") < layout.position("fc")


def test_the_last_layer_is_no_earlier_one_that_a_branch_calls_again() -> None:
    def with_discarded_branch(net: Net, images: Tensor) -> Tensor:
        scores = net.scores(images)
        net.early(images).mean()  # as an auxiliary head does
        return scores

    torch.manual_seed(0)
    assert _of(Net(with_discarded_branch), 3, 16, 16).maps("last") == ("late",)


@pytest.mark.parametrize("key_last", [True, False])
def test_the_last_layer_is_one_that_gradients_reach(key_last: bool) -> None:
    class Momentum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.query, self.key = Net(lambda m, x: m.scores(x)), Net(lambda m, x: m.scores(x))

        def forward(self, images: Tensor) -> Tensor:
            before = None if key_last else self.keys(images)
            queries: Tensor = self.query(images)
            return queries * (self.keys(images) if before is None else before)

        @torch.no_grad()
        def keys(self, images: Tensor) -> Tensor:
            keys: Tensor = self.key(images)
            return keys

    layout = _of(Momentum(), 3, 16, 16)
    assert layout.maps("last") == ("query.late",)
    assert layout.maps("all")[-1] == ("key.late.1" if key_last else "query.late.1")
    assert layout.maps("first") == (("query" if key_last else "key") + ".early.0",)


def test_the_last_layer_where_gradients_reach_none() -> None:
    def frozen(model: Net, images: Tensor) -> Tensor:
        with torch.no_grad():
            pooled = model.pooled(images)
        scores: Tensor = model.head(pooled)
        return scores

    assert _of(Net(frozen), 3, 16, 16).maps("last") == ("late",)
