"""Two classes side by side, on a model worked out by hand and in training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lightning_cnnviz import CNNVisualizer, Contrast, FixedSamples, GradCAM, explain
from lightning_cnnviz.render import Maps
from lightning_cnnviz.views.contrast import contrast_columns
from tests.helpers.pictures import sheets
from tests.helpers.training import events, fit, sha
from tests.views.test_grad_cam import COUNTING, MAP, WEIGHT, Hand

# The scores of an image that counts from 0 to 15: 90, -540, 270. Grad-CAM: half the map, nothing, the map.
THREE = [*WEIGHT, [0.5] * 8]
NOTHING = torch.zeros(2, 2)


@pytest.mark.parametrize("layer", ["conv", "relu"])
@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (None, [MAP, 0.5 * MAP, 0.5 * MAP]),  # the second most probable one beside the first
        (2, [MAP, 0.5 * MAP, 0.5 * MAP]),  # it is right: the same
        (1, [MAP, NOTHING, MAP]),  # it is wrong: the true one
    ],
)
def test_by_hand(layer: str, label: int | None, expected: list[Tensor]) -> None:
    labels = None if label is None else torch.tensor([label])
    found = explain(Hand(THREE), FixedSamples(COUNTING, labels), [Contrast(layer)])
    assert found.arrays[f"contrast/{layer}"].equal(torch.stack(expected)[None])


def test_each_row_has_one_scale_for_all_its_maps() -> None:
    maps = torch.stack([torch.stack([MAP, 0.5 * MAP, 0.5 * MAP]), torch.stack([NOTHING, 9 * MAP, -9 * MAP])])
    first, second, difference = contrast_columns(maps, [("a", "b"), ("c", "d")])
    assert (first.limits, second.limits, difference.limits) == ((0.0, 1.0), (0.0, 1.0), (-1.0, 1.0))
    assert [first.values[0].max(), second.values[0].max(), difference.values[0].max()] == [1.0, 0.5, 0.5]
    assert [first.values[1].max(), second.values[1].max(), difference.values[1].min()] == [0.0, 1.0, -1.0]
    assert second.labels == (("b",), ("d",))


def test_the_first_map_is_grad_cam_of_the_predicted_class_on_a_model_with_batch_norm() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).append(nn.Linear(4, 3))
    samples = FixedSamples(torch.rand(3, 1, 6, 6), torch.tensor([0, 1, 2]))
    found = explain(model, samples, [Contrast("1"), GradCAM("1")])
    of_labels = explain(model, samples, [GradCAM("1")], target="label").arrays["grad_cam/1"]
    both, one = found.arrays["contrast/1"], found.arrays["grad_cam/1"]
    torch.testing.assert_close(both[:, 0], one)
    wrong = model.eval()(samples.images).argmax(1) != samples.labels
    assert wrong.any(), "or this test says nothing of the true class"
    torch.testing.assert_close(both[wrong, 1], of_labels[wrong])


def test_values_have_no_two_classes() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 1))
    with pytest.raises(ValueError, match="not one class of several"):
        explain(model, torch.rand(2, 1, 6, 6), [Contrast()], output="regression")


@pytest.mark.slow
def test_in_training(tmp_path: Path) -> None:
    callback = CNNVisualizer([Contrast()], samples=4, on_error="raise")
    assert sha(fit(tmp_path / "a", [], max_epochs=1)) == sha(fit(tmp_path / "b", [callback], max_epochs=1))
    assert events(tmp_path / "b").Tags()["images"] == ["cnnviz/2 looks/contrast/body"]


def test_captions_name_both_classes_with_their_probabilities() -> None:
    samples = FixedSamples(COUNTING, torch.tensor([1]), class_names=["ant", "bee", "cow"])
    [sheet] = sheets(Hand([[0.01] * 8, [0.0] * 8, [0.0] * 8]), samples, Contrast("conv"))  # scores 5.4, 0, 0
    first, second, _ = sheet.columns
    assert isinstance(first, Maps)
    assert isinstance(second, Maps)
    assert (first.labels, second.labels) == ((("ant 99%",),), (("true bee 0.4%",),))
