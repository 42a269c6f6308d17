"""What is drawn of a model that answers for each place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightning_cnnviz import Array, FixedSamples, GradCAM, Picture, Predictions, explain
from lightning_cnnviz.model.evidence import Evidence
from lightning_cnnviz.render import Images, Maps, Masks, MaskSheet, Sheet
from lightning_cnnviz.samples import Truth
from lightning_cnnviz.views.captions import captions

IMAGES = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
TRUTH = torch.zeros(2, 4, 4).long()
TRUTH[0, :2], TRUTH[1, :, 3], TRUTH[1, 3, 3] = 1, 2, 255


class Places(nn.Module):
    """Returns the same whatever the images show, by way of a convolution."""

    def __init__(self, scores: Tensor) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        self.scores = nn.Parameter(scores)

    def forward(self, images: Tensor) -> Tensor:
        own = self.scores[torch.arange(len(images)) % len(self.scores)]
        return own + self.conv(images).mean(dim=(1, 2, 3), keepdim=True) * 0


class Remembers(Predictions):
    """Keeps evidence and artifacts of the last look."""

    def draw(self, evidence: Evidence) -> Any:
        self.evidence, self.drawn = evidence, list(super().draw(evidence))
        yield from self.drawn


def one_hot(classes: Tensor, count: int) -> Tensor:
    """Scores (N, count, h, w) that decide on these classes."""
    return torch.nn.functional.one_hot(classes, count).permute(0, 3, 1, 2) * 5.0


def looked(scores: Tensor, samples: FixedSamples, **options: Any) -> Remembers:
    view = Remembers()
    explain(Places(scores), samples, [view], **options)
    return view


def figure_of(view: Remembers) -> Any:
    [picture] = [one for one in view.drawn if isinstance(one, Picture)]
    return picture.figure


def test_the_predicted_classes_with_the_borders_of_the_true_ones() -> None:
    said = TRUTH.where(TRUTH != 255, 0)
    said[0, 0, :2] = 2
    names = ["background", "cat", "dog"]
    view = looked(one_hot(said, 3), FixedSamples(IMAGES, TRUTH, class_names=names))
    figure = figure_of(view)
    assert isinstance(figure, MaskSheet)
    predicted, true = figure.columns
    assert isinstance(predicted, Masks)
    assert isinstance(true, Masks)
    hidden = said.where(said != 0, -1)
    assert np.array_equal(predicted.values, hidden)
    assert predicted.outlined is true.values
    assert np.array_equal(true.values, TRUTH.where((TRUTH != 0) & (TRUTH != 255), -1))
    assert figure.legend == (("cat", 1), ("dog", 2))
    [array] = [one for one in view.drawn if isinstance(one, Array)]
    assert array.tag == "predictions"
    assert torch.equal(array.values, said.float())
    # 8 places of the cat, of which 2 are a dog; what is 255 does not count.
    assert [caption.lines for caption in captions(view.evidence)] == [
        ("cat", "on 38% of it", "88% right"),
        ("dog", "on 19% of it", "100% right"),
    ]


@pytest.mark.parametrize("channels", [1, 2])
def test_masks_of_0_and_255_alone_are_those_of_a_yes(channels: int) -> None:
    said = torch.zeros(2, 4, 4).long()
    said[0, :2], said[1, 3] = 1, 1
    truth = 255 * said
    truth[0, 0] = 0  # so that 4 of 16 places are wrong
    scores = one_hot(said, 2) if channels == 2 else one_hot(said, 2)[:, 1:] - 2.5
    view = looked(scores, FixedSamples(IMAGES, truth))
    assert [caption.lines for caption in captions(view.evidence)] == [
        ("class 1", "on 50% of it", "75% right"),
        ("class 1", "on 25% of it", "100% right"),
    ]
    true = figure_of(view).columns[1]
    assert np.array_equal(true.values, (truth > 0).long().where(truth > 0, -1))


@pytest.mark.parametrize(("scores", "value"), [(3, 0), (2, 1)])
def test_255_beside_another_class_is_none(scores: int, value: int) -> None:
    said = torch.zeros(2, 4, 4).long()
    truth = said.clone()
    truth[:, 0], truth[0, 3, 0] = 255, value
    view = looked(one_hot(said, scores), FixedSamples(IMAGES, truth))
    right = "100% right" if value == 0 else "92% right"  # 11 of 12
    assert captions(view.evidence)[0].lines[-1] == right


def test_without_a_true_mask_only_the_predicted_one() -> None:
    figure = figure_of(looked(one_hot(TRUTH.where(TRUTH != 255, 0), 4), FixedSamples(IMAGES)))
    [predicted] = figure.columns
    assert predicted.outlined is None
    assert figure.legend == (("1", 1), ("2", 2))
    assert figure.footer == ""


def test_a_first_class_with_a_name_of_its_own_has_a_color() -> None:
    names = ["road", "car", "sky"]
    figure = figure_of(looked(one_hot(TRUTH.where(TRUTH != 255, 0), 3), FixedSamples(IMAGES, class_names=names)))
    assert set(np.unique(figure.columns[0].values)) == {0, 1, 2}
    assert figure.legend == (("road", 0), ("car", 1), ("sky", 2))


@pytest.mark.parametrize("yes", [1, 255])
def test_a_single_score_for_each_place_is_a_yes_or_no(yes: int) -> None:
    truth = (TRUTH == 1).long() * yes
    view = looked((TRUTH == 1).float()[:, None] * 4 - 2, FixedSamples(IMAGES, truth))
    predicted, true = figure_of(view).columns
    assert np.array_equal(predicted.values, true.values)
    assert captions(view.evidence)[0].lines == ("class 1", "on 50% of it", "100% right")


def test_masks_of_another_size_than_the_truth() -> None:
    coarse = torch.tensor([[[1, 0], [0, 0]], [[0, 2], [0, 2]]])
    view = looked(one_hot(coarse, 3), FixedSamples(IMAGES, TRUTH))
    assert figure_of(view).columns[0].values.shape == (2, 2, 2)
    # The upper half is 1, of which the left half is found; of the right column all, and four places too many.
    assert [caption.lines[2] for caption in captions(view.evidence)] == ["75% right", "73% right"]


def test_grad_cam_of_a_class_is_that_of_its_region() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 1))
    samples = FixedSamples(IMAGES, class_names=["a", "b", "c"])
    found = explain(model, samples, [GradCAM("0")], target=2).arrays["grad_cam/0"]

    def in_region(output: Tensor) -> Tensor:
        assert output.shape == (2, 3, 4, 4)  # a function sees the full output
        region = (output.argmax(dim=1) == 2).float()
        region = region.where(region.flatten(1).any(1)[:, None, None], 1.0)
        return (output[:, 2] * region).sum(dim=(1, 2)) / region.sum(dim=(1, 2))

    expected = explain(model, samples, [GradCAM("0")], target=in_region).arrays["grad_cam/0"]
    torch.testing.assert_close(found, expected)
    assert found.abs().max() > 0


def test_input_output_and_their_difference() -> None:
    output = IMAGES + torch.tensor([0.25, -0.5])[:, None, None, None]
    view = looked(output, FixedSamples(IMAGES))
    figure = figure_of(view)
    assert isinstance(figure, Sheet)
    made, difference = figure.columns
    assert isinstance(made, Images)
    assert isinstance(difference, Maps)
    assert np.allclose(difference.values[0], 0.25, atol=1e-6)
    assert np.allclose(difference.values[1], -0.5, atol=1e-6)
    assert difference.labels == (("off by 0.25",), ("off by 0.5",))
    assert figure.first == "input"
    [array] = [one for one in view.drawn if isinstance(one, Array)]
    torch.testing.assert_close(array.values, output)
    assert [caption.lines for caption in captions(view.evidence)] == [("sample 0",), ("sample 1",)]


def test_numbers_of_each_place_beside_the_true_ones_on_one_scale() -> None:
    truth = Truth("pictures", torch.rand(2, 1, 4, 4) * 3)
    figure = figure_of(looked(truth.values[:, :, ::2, ::2] * 0 + 2, FixedSamples(IMAGES, truth=truth)))
    output, true, difference = figure.columns
    assert (output.headings, true.headings, difference.headings) == (("output",), ("true",), ("difference",))
    assert output.limits == true.limits
    # The true picture is averaged to the size of the output.
    means = truth.values.reshape(2, 1, 2, 2, 2, 2).mean(dim=(3, 5))
    assert difference.values.shape == (2, 1, 2, 2)
    assert abs(float((2 - means).mean()) - difference.values.mean()) < 0.1


def test_a_picture_of_other_channels_has_no_difference_from_the_input() -> None:
    figure = figure_of(looked(torch.rand(2, 2, 4, 4), FixedSamples(IMAGES), output="regression"))
    assert [column.headings for column in figure.columns] == [("output",)]


def test_every_figure_can_be_drawn() -> None:
    for samples in (FixedSamples(IMAGES), FixedSamples(IMAGES, TRUTH)):
        assert figure_of(looked(one_hot(TRUTH % 3, 4), samples)).draw().ndim == 3
    for scores in (IMAGES * 2, torch.full((2, 3, 4, 4), float("nan"))):
        assert figure_of(looked(scores, FixedSamples(IMAGES), output="regression")).draw().ndim == 3
