from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightning_cnnviz import FixedSamples, Predictions, explain
from lightning_cnnviz.model.evidence import Evidence
from lightning_cnnviz.output.artifacts import Artifact, Picture
from lightning_cnnviz.render import BarSheet
from lightning_cnnviz.samples.truth import Truth
from lightning_cnnviz.views.predictions import answer_bars

NEUTRAL, RIGHT, WRONG = (150, 150, 150), (30, 120, 190), (230, 110, 20)
PROBABILITIES = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])


class FromMean(nn.Module):
    """Gives the log of given probabilities, those of row i for an image that is i everywhere."""

    def __init__(self, probabilities: Tensor) -> None:
        super().__init__()
        self.scores = nn.Parameter(probabilities.log())
        self.convolution = nn.Conv2d(1, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.scores[images.mean(dim=(1, 2, 3)).long()] + 0 * self.convolution(images).mean()


def look(labels: list[int] | None, **options: int) -> tuple[np.ndarray, Tensor]:
    images = torch.arange(2.0)[:, None, None, None].expand(2, 1, 8, 8)
    samples = FixedSamples(images, None if labels is None else torch.tensor(labels), mean=[0.0], std=[1.0])
    found = explain(FromMean(PROBABILITIES), samples, [Predictions(**options)])
    assert list(found.pictures) == list(found.arrays) == ["predictions"]
    return found.pictures["predictions"], found.arrays["predictions"]


def bars(picture: np.ndarray, color: tuple[int, int, int]) -> list[int]:
    """Lengths of the bars of a color from top to bottom; letters are shorter than any bar asked for here."""
    counts = (picture == color).all(axis=-1).sum(axis=1)
    inside = np.concatenate([[False], counts > 12, [False]])
    starts, ends = np.nonzero(inside[1:] & ~inside[:-1])[0], np.nonzero(~inside[1:] & inside[:-1])[0]
    return [int(np.median(counts[start:end])) for start, end in zip(starts, ends, strict=True) if end - start > 10]


def test_the_array_holds_the_probabilities_of_all_classes() -> None:
    _, probabilities = look([0, 1], top=1)
    torch.testing.assert_close(probabilities, PROBABILITIES)


def test_the_right_winner_is_blue_and_bars_are_as_long_as_they_are_probable() -> None:
    picture, _ = look([0, 2], top=2)
    right, neutral = bars(picture, RIGHT), bars(picture, NEUTRAL)
    assert len(right) == len(neutral) == 2
    assert right[0] / neutral[0] == pytest.approx(0.7 / 0.2, rel=0.06)
    assert right[1] / neutral[1] == pytest.approx(0.6 / 0.3, rel=0.06)
    assert bars(picture, WRONG) == []


def test_a_wrong_winner_is_orange_and_the_truth_below_it_blue() -> None:
    picture, _ = look([1, 1], top=2)
    wrong, right = bars(picture, WRONG), bars(picture, RIGHT)
    assert len(wrong) == len(right) == 2
    assert wrong[0] / right[0] == pytest.approx(0.7 / 0.2, rel=0.06)
    assert bars(picture, NEUTRAL) == []


def test_without_labels_nothing_is_right_or_wrong() -> None:
    picture, _ = look(None, top=2)
    assert len(bars(picture, NEUTRAL)) == 4
    assert bars(picture, RIGHT) == bars(picture, WRONG) == []


def test_more_classes_than_there_are_are_all_of_them() -> None:
    assert np.array_equal(look([0, 2], top=9)[0], look([0, 2], top=3)[0])


def test_top_must_be_positive() -> None:
    with pytest.raises(ValueError, match="top must be a positive integer, got 0"):
        Predictions(top=0)


def test_a_true_class_that_is_not_among_the_first_stands_below_them_with_its_rank() -> None:
    evidence_bars = []

    class Spy(Predictions):
        def draw(self, evidence):  # type: ignore[no-untyped-def]
            evidence_bars.extend(answer_bars(evidence, index, 1) for index in range(2))
            return super().draw(evidence)

    samples = FixedSamples(torch.arange(2.0)[:, None, None, None].expand(2, 1, 8, 8), torch.tensor([2, 2]))
    explain(FromMean(PROBABILITIES), samples, [Spy(top=1)])
    assert [[(bar.name, bar.label, bar.correct) for bar in bars] for bars in evidence_bars] == [
        [("class 0", "70%", False), ("class 2", "10%, no. 3", True)],
        [("class 2", "60%", True)],
    ]


class Value(nn.Module):
    """Gives the mean of an image less a half."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 1, 1, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        return (self.convolution(images) / self.convolution.weight).mean(dim=(1, 2, 3))[:, None] - 0.5


def test_values_below_zero_go_to_the_left_of_it() -> None:
    images = torch.tensor([0.0, 2.0])[:, None, None, None].expand(2, 1, 8, 8)  # predicted -0.5 and 1.5
    samples = FixedSamples(images, truth=Truth("values", torch.tensor([[0.5], [-0.5]])))
    view = Keeping()
    explain(Value(), samples, [view])
    [[first, first_true], [second, second_true]] = view._figures[0].charts
    assert {bar.origin for bar in (first, first_true, second, second_true)} == {0.25}, "zero, on one scale from -0.5 on"
    assert [bar.share for bar in (first, first_true, second, second_true)] == pytest.approx([0.0, 0.5, 1.0, 0.0])
    assert [bar.label for bar in (first, second_true)] == ["−0.5", "−0.5"]


class Keeping(Predictions):
    def __init__(self) -> None:
        super().__init__()
        self._figures: list[BarSheet] = []

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        for artifact in super().draw(evidence):
            if isinstance(artifact, Picture) and isinstance(artifact.figure, BarSheet):
                self._figures.append(artifact.figure)
            yield artifact
