"""Heads of networks, found by their numbers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_cnnviz import Predictions, explain
from lightning_cnnviz.model.layers.layout import Head
from lightning_cnnviz.model.probe import Probe
from lightning_cnnviz.samples import FixedSamples


class Net(nn.Module):
    """A convolution, and whatever makes scores of it."""

    def __init__(self, ending: Callable[[Net, Tensor], Tensor], classes: int = 3) -> None:
        super().__init__()
        self.maps = nn.Conv2d(1, 5, 3)
        self.norm = nn.BatchNorm1d(5)
        self.linear = nn.Linear(5, classes)
        self.hidden = nn.Linear(5, 5)
        self.pointwise = nn.Conv2d(5, classes, 1)
        self.ending = ending

    def forward(self, images: Tensor) -> Tensor:
        return self.ending(self, self.maps(images))


def _head(ending: Callable[[Net, Tensor], Tensor], classes: int = 3, size: int = 6) -> Head | None:
    return Probe(Net(ending, classes)).survey(FixedSamples(torch.randn(4, 1, size, size))).head


@pytest.mark.parametrize(
    "ending",
    [
        lambda net, maps: net.linear(maps.mean((2, 3))),
        lambda net, maps: net.linear(F.adaptive_avg_pool2d(maps, 1).flatten(1)),
        lambda net, maps: net.linear(F.avg_pool2d(maps, 4).squeeze((2, 3))),
        lambda net, maps: net.linear(F.dropout(maps.mean((2, 3)), 0.5, net.training)),
        lambda net, maps: net.linear(maps.mean((2, 3))).log_softmax(1),
        lambda net, maps: net.linear(maps.mean((2, 3))).softmax(1),
        lambda net, maps: net.linear(maps.mean((2, 3))).sigmoid(),
    ],
    ids=["mean", "adaptive pooling", "pooling", "dropout", "log-softmax", "softmax", "sigmoid"],
)
def test_average_and_linear_layer(ending: Callable[[Net, Tensor], Tensor]) -> None:
    assert _head(ending) == Head("maps", rectified=False, classifier="linear")


@pytest.mark.parametrize("classes", [1, 3])
def test_what_the_model_ends_with(classes: int) -> None:
    endings: dict[str, Callable[[Tensor], Tensor]] = {
        "logits": lambda logits: logits,
        "sigmoid": torch.sigmoid,
        "softmax": lambda logits: logits.softmax(dim=1),
        "log_softmax": lambda logits: logits.log_softmax(dim=1),
    }
    for name in endings if classes > 1 else ("logits", "sigmoid"):
        model = Net(lambda net, maps, name=name: endings[name](net.linear(maps.amax((2, 3)))), classes)
        assert Probe(model).survey(FixedSamples(torch.randn(4, 1, 6, 6))).reading.ending == name
        squeezed = Net(lambda net, maps, name=name: endings[name](net.linear(maps.amax((2, 3)))).squeeze(1), classes)
        assert Probe(squeezed).survey(FixedSamples(torch.randn(4, 1, 6, 6))).reading.ending == name


def test_predictions_of_a_model_that_ends_with_a_sigmoid() -> None:
    model = Net(lambda net, maps: net.linear(maps.mean((2, 3))).sigmoid())
    images = torch.randn(2, 1, 6, 6)
    found = explain(model, images, [Predictions()])
    torch.testing.assert_close(found.arrays["predictions"], model(images).detach())
    assert any("one for each label" in remark for remark in found.remarks)


def test_relu_that_is_no_module() -> None:
    assert _head(lambda net, maps: net.linear(F.relu(maps).mean((2, 3)))) == Head("maps", True, "linear")
    assert _head(lambda net, maps: net.linear(maps.relu_().mean((2, 3)))) == Head("maps", True, "linear")


def test_single_score() -> None:
    assert _head(lambda net, maps: net.linear(maps.mean((2, 3)))[:, 0], classes=1) == Head("maps", False, "linear")


def test_convolution_of_the_averages_is_a_linear_layer() -> None:
    found = _head(lambda net, maps: net.pointwise(maps.mean((2, 3), keepdim=True)).flatten(1))
    assert found == Head("maps", False, "pointwise")


@pytest.mark.parametrize("classes", [1, 3])
def test_maps_of_the_classes(classes: int) -> None:
    assert _head(lambda net, maps: net.pointwise(maps).mean((2, 3)), classes) == Head("pointwise", False, None)
    assert _head(lambda net, maps: F.relu(net.pointwise(maps)).mean((2, 3)), classes) == Head("pointwise", True, None)
    assert _head(lambda net, maps: net.pointwise(maps), classes) == Head("pointwise", False, None)


def test_a_bias_that_drowns_the_maps() -> None:
    net = Net(lambda net, maps: net.linear(maps.mean((2, 3))))
    for parameter in net.maps.parameters():
        nn.init.normal_(parameter, std=1e-12)
    assert Probe(net).survey(FixedSamples(torch.randn(2, 1, 6, 6))).head == Head("maps", False, "linear")


@pytest.mark.parametrize(
    "ending",
    [
        lambda net, maps: net.linear(maps.amax((2, 3))),
        lambda net, maps: net.linear(maps.mean((2, 3)).square()),
        lambda net, maps: net.linear(net.hidden(maps.mean((2, 3))).relu()),
        lambda net, maps: net.linear(net.norm(maps.mean((2, 3)))),
        lambda net, maps: net.linear(F.gelu(maps).mean((2, 3))),
        lambda net, maps: F.linear(maps.mean((2, 3)), net.linear.weight),
        lambda net, maps: net.linear(maps.mean((2, 3))) ** 3,
    ],
    ids=["maximum", "square", "hidden layer", "fresh normalisation", "GELU", "no module", "changed scores"],
)
def test_other_heads(ending: Callable[[Net, Tensor], Tensor]) -> None:
    assert _head(ending) is None


def test_a_single_pixel_is_no_map() -> None:
    assert _head(lambda net, maps: net.linear(maps.mean((2, 3))), size=3) is None
    assert _head(lambda net, maps: net.linear(maps.mean((2, 3))), size=4) is not None


def test_the_outermost_of_nested_layers_is_named() -> None:
    body = nn.Sequential(nn.Conv2d(1, 5, 3), nn.ReLU(inplace=True))
    model = nn.Sequential()
    model.add_module("body", body)
    model.add_module("pool", nn.AdaptiveAvgPool2d(1))
    model.add_module("flat", nn.Flatten())
    model.add_module("fc", nn.Linear(5, 3))
    assert Probe(model).survey(FixedSamples(torch.randn(2, 1, 6, 6))).head == Head("body", False, "fc")
