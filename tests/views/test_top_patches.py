from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lightning_cnnviz import CNNVisualizer, FeatureMaps, FixedSamples, TopPatches, explain
from lightning_cnnviz.render import Images, Sheet
from tests.helpers.architectures import architecture
from tests.helpers.pictures import sheets
from tests.helpers.training import fit, image_steps, sha


def squares(*places: tuple[int, int], size: int = 3) -> torch.Tensor:
    """Dark images with a bright square, whose upper left corner is at a row and a column."""
    images = torch.zeros(len(places), 1, 12, 16)
    for image, (row, column) in zip(images, places, strict=True):
        image[0, row : row + size, column : column + size] = 1
    return images


class Sums(nn.Module):
    """Sums over windows of 3 by 3, once or twice; the second channel is the negative of the first one."""

    def __init__(self, depth: int = 1) -> None:
        super().__init__()
        self.convs = nn.Sequential(*[nn.Conv2d(1 if not index else 2, 2, 3, bias=False) for index in range(depth)])
        with torch.no_grad():
            for index, conv in enumerate(self.convs):
                conv.weight.zero_()
                conv.weight[0, 0], conv.weight[1, 0] = 1.0, -1.0 if not index else 0.0
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(2, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.head(self.relu(self.convs(images)).mean(dim=(2, 3)))
        return scores


def test_by_hand() -> None:
    images = squares((2, 3), (5, 9), (7, 0))
    images[1] *= 2
    images[2] /= 2
    found = explain(Sums(), images, [TopPatches("convs.0", [0], patches=2, share=1.0)])
    # Activation, sample, left, top, right, bottom: the square itself.
    assert found.arrays["top_patches/convs.0"].tolist() == [[[18, 1, 9, 5, 12, 8], [9, 0, 3, 2, 6, 5]]]


def test_behind_two_convolutions_a_place_sees_five_pixels() -> None:
    [[patch]] = explain(Sums(2), squares((4, 6), size=5), [TopPatches("convs.1", [0], patches=1, share=1.0)]).arrays[
        "top_patches/convs.1"
    ]
    assert patch.tolist() == [81, 0, 6, 4, 11, 9]


def test_less_than_the_whole_field_is_where_most_of_it_lies() -> None:
    [[patch]] = explain(Sums(2), squares((4, 6), size=5), [TopPatches("convs.1", [0], patches=1, share=0.5)]).arrays[
        "top_patches/convs.1"
    ]
    assert patch.tolist() == [81, 0, 7, 5, 10, 8], "weights 1, 2, 3, 2, 1 along each axis"


def drawn(samples: FixedSamples) -> Sheet:
    [sheet] = sheets(Sums(), samples, TopPatches("convs.0", [0], patches=2, share=1.0))
    return sheet


def drawn_of(channels: list[int], weights: torch.Tensor) -> Sheet:
    """The strongest patch of channels of :class:`Sums` after its ReLU, whose weights are multiplied."""
    model = Sums()
    with torch.no_grad():
        model.convs[0].weight.mul_(weights.reshape(2, 1, 1, 1))
    [sheet] = sheets(model, FixedSamples(squares((2, 3))), TopPatches("relu", channels, patches=1))
    return sheet


def test_what_is_drawn_is_cut_out_of_the_samples() -> None:
    samples = FixedSamples(squares((2, 3), (5, 9)) * torch.tensor([1.0, 0.8]).reshape(2, 1, 1, 1))
    sheet = drawn(samples)
    assert [column.column_headings for column in sheet.columns] == [("no. 1",), ("no. 2",)]
    patches = [column.pictures[0] for column in sheet.columns if isinstance(column, Images)]
    assert [np.unique(patch).tolist() for patch in patches] == [[255], [204]]
    assert [patch.shape for patch in patches] == [(3, 3, 3)] * 2
    assert sheet.rows[0].box == (3.0, 2.0, 6.0, 5.0)
    assert sheet.rows[0].index == -1, "a page must not take it for the first sample"


def test_a_dead_channel_shows_whole_images() -> None:
    model = Sums()
    with torch.no_grad():
        model.convs[0].weight.zero_()
    [[patch]] = explain(model, squares((2, 3)), [TopPatches("relu", [1], patches=1)]).arrays["top_patches/relu"]
    assert patch.tolist() == [0, 0, 0, 0, 16, 12]


def test_where_a_channel_does_not_respond_there_is_nothing_to_see() -> None:
    images = squares((2, 3), (5, 9))
    images[1] = 0
    first, second = (column for column in drawn(FixedSamples(images)).columns if isinstance(column, Images))
    assert first.pictures[0].shape == (3, 3, 3)
    assert second.pictures[0].max() < 64, "dark, as what does not respond is everywhere"
    assert (first.labels, second.labels) == (("9",), ("0",))


def test_a_channel_without_any_response_is_called_dead() -> None:
    sheet = drawn_of([0, 1], torch.tensor([1.0, 1.0]))
    assert [row.caption and row.caption.lines for row in sheet.rows] == [("ch 0", "up to 9"), ("ch 1", "dead")]
    assert sheet.rows[1].picture.max() < 64
    assert sheet.rows[1].box is None
    [patches] = (column for column in sheet.columns if isinstance(column, Images))
    assert patches.labels == ("9", "dead")
    assert patches.pictures[1].max() < 64


def test_what_is_faint_beside_the_strongest_has_no_digits_that_would_be_cut() -> None:
    sheet = drawn_of([0, 1], torch.tensor([1.0, -0.009]))
    [patches] = (column for column in sheet.columns if isinstance(column, Images))
    assert patches.labels == ("9", "≈ 0")
    assert patches.pictures[1].max() == 255


def test_what_is_nothing_beside_the_strongest_is_dead_too() -> None:
    sheet = drawn_of([0, 1], torch.tensor([1.0, -1e-8]))
    assert [row.caption and row.caption.lines[1] for row in sheet.rows] == ["up to 9", "dead"]


def test_the_channels_are_those_of_the_feature_maps_and_stay() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 2))
    view, maps = TopPatches("1"), FeatureMaps("1", 6)
    images = torch.rand(5, 1, 9, 9)
    explain(model, images, [view, maps])
    assert view.state_dict()["channels"] == maps.state_dict()["channels"]
    nn.init.normal_(model[0].weight)
    explain(model, images, [view])
    assert view.state_dict()["channels"] == maps.state_dict()["channels"]
    other = TopPatches("1")
    other.load_state_dict(view.state_dict())
    assert other.state_dict() == view.state_dict()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1"])
def test_architectures(name: str) -> None:
    model, images = architecture(name)
    found = explain(model, images, [TopPatches(channels=2, patches=1)])
    [patches] = [values for tag, values in found.arrays.items() if tag.startswith("top_patches/")]
    assert patches.shape == (2, 1, 6)
    assert bool((patches[..., 2:4] < patches[..., 4:6]).all())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 0}, "channels must"),
        ({"channels": []}, "channels must be .*got none"),
        ({"patches": 0}, "patches must"),
        ({"share": 0.0}, "share must be above 0"),
        ({"share": 1.5}, "share must be above 0"),
    ],
)
def test_arguments_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TopPatches(**options)


def test_a_channel_that_the_layer_does_not_have() -> None:
    with pytest.raises(ValueError, match=r"channels=\[2\] are out of range: convs.0 has channels 0 to 1"):
        explain(Sums(), squares((2, 3)), [TopPatches("convs.0", [0, 2])])


@pytest.mark.slow
def test_in_training(tmp_path: Path) -> None:
    model = fit(tmp_path / "with", [CNNVisualizer([TopPatches()], on_error="raise")], max_epochs=1)
    assert sha(model) == sha(fit(tmp_path / "without", [], max_epochs=1))
    assert image_steps(tmp_path / "with") == {"top_patches/body": [0, 5]}


def test_a_layer_whose_output_does_not_depend_on_the_images_is_told() -> None:
    class Cut(Sums):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(images.detach())

    with pytest.raises(ValueError, match=r"the output of 'convs\.0' does not depend on the images"):
        explain(Cut(), squares((2, 3)), [TopPatches("convs.0")])
