"""Class activation maps: shares in the class score, on every kind of head."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_cnnviz import CAM, CNNVisualizer, FixedSamples, GradCAM, explain
from lightning_cnnviz.model.evidence import UnavailableError
from tests.helpers.architectures import architecture
from tests.helpers.training import SmallCNN, events, fit


class Pooled(nn.Module):
    """Two maps, the image and its negative plus one, averaged and weighed."""

    def __init__(self, weights: list[list[float]]) -> None:
        super().__init__()
        self.maps = nn.Conv2d(1, 2, 1)
        self.classifier = nn.Linear(2, len(weights))
        with torch.no_grad():
            self.maps.weight.copy_(torch.tensor([1.0, -1.0])[:, None, None, None])
            self.maps.bias.copy_(torch.tensor([0.0, 1.0]))  # type: ignore[union-attr]
            self.classifier.weight.copy_(torch.tensor(weights))
            self.classifier.bias.fill_(7.0)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.classifier(self.maps(images).mean(dim=(2, 3)))
        return scores


IMAGE = torch.tensor([[[[1.0, 0.0], [2.0, -1.0]]]])  # maps: 1 0 2 -1 and 0 1 -1 2
WEIGHTS = [[1.0, 3.0], [-1.0, 2.0], [0.0, 0.0]]


def _cam(model: nn.Module, images: Tensor, layer: str, target: object = 0, **options: int) -> Tensor:
    return explain(model, images, [CAM(**options)], target=target).arrays[f"cam/{layer}"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("target", "expected"), [(0, [1.0, 3.0, -1.0, 5.0]), (1, [-1.0, 2.0, -4.0, 5.0]), (2, [0.0, 0.0, 0.0, 0.0])]
)
def test_values_by_hand(target: int, expected: list[float]) -> None:
    assert _cam(Pooled(WEIGHTS), IMAGE, "maps", target).tolist() == [[expected[:2], expected[2:]]]


def test_each_sample_has_its_own_class() -> None:
    found = _cam(Pooled(WEIGHTS), IMAGE.expand(2, -1, -1, -1), "maps", [1, 0])
    assert found[:, 1, 1].tolist() == [5.0, 5.0]
    assert found[:, 0, 0].tolist() == [-1.0, 1.0]


def test_the_top_channel_alone() -> None:
    assert _cam(Pooled(WEIGHTS), IMAGE, "maps", 0, top_channels=1).flatten().tolist() == [0.0, 3.0, -3.0, 6.0]
    assert _cam(Pooled(WEIGHTS), IMAGE, "maps", 0, top_channels=20).equal(_cam(Pooled(WEIGHTS), IMAGE, "maps", 0))


def test_one_score_is_that_of_class_one() -> None:
    class_one = _cam(Pooled([[1.0, 3.0]]), IMAGE, "maps", 1)
    assert class_one.flatten().tolist() == [1.0, 3.0, -1.0, 5.0]
    assert _cam(Pooled([[1.0, 3.0]]), IMAGE, "maps", 0).equal(-class_one)


class Maps(nn.Module):
    """Maps of the classes, averaged."""

    def __init__(self, classes: int, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.maps = nn.Conv2d(1, classes, 1, bias=False)
        self.between = between
        with torch.no_grad():
            self.maps.weight.copy_(torch.arange(1.0, classes + 1)[:, None, None, None])

    def forward(self, images: Tensor) -> Tensor:
        return self.between(self.maps(images)).mean(dim=(2, 3))


def test_maps_of_the_classes_are_taken_as_they_are() -> None:
    assert _cam(Maps(3, torch.clone), IMAGE, "maps", 2).equal(3 * IMAGE[:, 0])
    assert _cam(Maps(3, F.relu), IMAGE, "maps", 1).equal(2 * IMAGE[:, 0].relu())
    assert _cam(Maps(1, torch.clone), IMAGE, "maps", 1).equal(IMAGE[:, 0])
    assert _cam(Maps(1, torch.clone), IMAGE, "maps", 0).equal(-IMAGE[:, 0])
    assert _cam(Maps(1, F.relu), IMAGE, "maps", 0).equal(-IMAGE[:, 0].relu())


HEADS = {"shufflenet_v2_x0_5": "fc", "squeezenet1_1": None}
SLOW_HEADS = {
    "densenet121": "classifier",
    "efficientnet_b0": "classifier.1",
    "googlenet": "fc",
    "mobilenet_v2": "classifier.1",
    "resnet18": "fc",
}


@pytest.mark.parametrize(
    ("name", "classifier"),
    [*HEADS.items(), *(pytest.param(*item, marks=pytest.mark.slow) for item in SLOW_HEADS.items())],
)
def test_the_mean_of_the_map_is_the_score_and_grad_cam_is_the_map_up_to_a_constant(
    name: str, classifier: str | None
) -> None:
    model, images = architecture(name)
    images = images.float()
    with torch.no_grad():
        scores = model(images.double()).max(dim=1)
    found = explain(model, images, [CAM(), GradCAM(), GradCAM(variant="hirescam")]).arrays
    (layer,) = (tag.removeprefix("cam/") for tag in found if tag.startswith("cam/"))
    cam = found[f"cam/{layer}"].double()
    bias = 0 if classifier is None else model.get_submodule(classifier).bias[scores.indices]  # type: ignore[index]
    torch.testing.assert_close(cam.mean(dim=(1, 2)) + bias, scores.values, rtol=1e-5, atol=1e-6)
    if name == "densenet121":
        return  # Grad-CAM looks at the layer's output, CAM at what the ReLU behind it, which is no module, makes of it
    places = cam[0].numel()
    for variant in ("grad_cam", "hirescam"):
        expected = cam.relu() / places
        torch.testing.assert_close(found[f"{variant}/{layer}"].double(), expected, rtol=1e-4, atol=1e-7)


def test_other_heads_are_refused_and_grad_cam_is_named() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 3))
    with pytest.raises(ValueError, match=r"CAM needs a model whose class scores are averages.*GradCAM works"):
        explain(model, torch.rand(2, 1, 8, 8), [CAM()])


def test_top_channels_of_maps_of_the_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="top_channels=2: this model's last maps, maps, are those of the classes"):
        explain(Maps(3, torch.clone), IMAGE, [CAM(2)])


def test_a_function_that_names_no_class_is_refused() -> None:
    with pytest.raises(UnavailableError, match=r"CAM explains a class.*GradCAM can"):
        explain(Pooled(WEIGHTS), IMAGE, [CAM()], target=lambda scores: scores[:, 0] - scores[:, 1])


@pytest.mark.parametrize("top", [0, -1, 1.5])
def test_top_channels_is_a_positive_integer(top: int) -> None:
    with pytest.raises(ValueError, match="top_channels must be a positive integer"):
        CAM(top)


def test_a_half_precision_model() -> None:
    found = _cam(Pooled(WEIGHTS).bfloat16(), IMAGE, "maps", 0)
    assert found.flatten().tolist() == [1.0, 3.0, -1.0, 5.0]
    assert found.dtype == torch.float32


def test_in_training(tmp_path: Path) -> None:
    callback = CNNVisualizer([CAM()], samples=FixedSamples(torch.rand(2, 1, 8, 8)), on_error="raise")
    fit(tmp_path, [callback], SmallCNN(), max_epochs=1)
    assert events(tmp_path).Tags()["images"] == ["cnnviz/2 looks/cam/body"]
