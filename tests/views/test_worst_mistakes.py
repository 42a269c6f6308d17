from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lightning_cnnviz import CNNVisualizer, FixedSamples, GradCAM, WorstMistakes, explain
from lightning_cnnviz.model.overheard import Answered
from lightning_cnnviz.model.probe import Probe
from lightning_cnnviz.views.worst_mistakes import Mistakes
from tests.helpers.training import SmallCNN, fit, image_steps, sha, stripes
from tests.views.test_confusion_matrix import Told, told
from tests.views.test_grad_cam import COUNTING, MAP, Hand

IMAGES = torch.arange(6.0).reshape(6, 1, 1, 1)
# The truth of image i is given the probability of the second column; images 1 and 4 are right.
LABELS = torch.tensor([0, 1, 0, 2, 1, 0])
PROBABILITIES = torch.tensor(
    [[0.2, 0.5, 0.3], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.6, 0.1, 0.3], [0.3, 0.4, 0.3], [0.01, 0.98, 0.01]]
)


def test_the_worst_give_the_truth_the_least_probability() -> None:
    found = Mistakes.among(IMAGES, LABELS, PROBABILITIES.log(), 5).wrong()
    assert found.images.flatten().tolist() == [5, 2, 0, 3]
    assert found.said.tolist() == [1, 2, 1, 0]
    assert found.true.tolist() == [0, 0, 0, 2]
    torch.testing.assert_close(found.sure, torch.tensor([0.98, 0.8, 0.5, 0.6]))
    torch.testing.assert_close((-found.loss).exp(), torch.tensor([0.01, 0.1, 0.2, 0.3]))


@pytest.mark.parametrize("sizes", [[6], [1, 5], [3, 3], [1] * 6, [2, 3, 1]])
def test_in_whatever_batches_they_come(sizes: list[int]) -> None:
    view = WorstMistakes(count=2)
    view.begin_validation()
    parts = (one.split(sizes) for one in (IMAGES, LABELS, PROBABILITIES.log()))
    for images, labels, said in zip(*parts, strict=True):
        view.observe_validation(Answered(images, labels, said))
    assert view._worst is not None
    assert view._worst.images.flatten().tolist() == [5, 2]


def test_answers_that_are_nan_do_not_crowd_out_mistakes() -> None:
    said = torch.tensor([[0.9, 0.1], [torch.nan, torch.nan], [0.2, 0.8]]).log()
    found = Mistakes.among(torch.zeros(3, 1, 2, 2), torch.tensor([1, 1, 1]), said, 1)
    assert found.loss.tolist() == pytest.approx([-math.log(0.1)])


def test_labels_beyond_the_classes_are_told_when_there_is_time_to_wait() -> None:
    view = WorstMistakes()
    view.begin_validation()
    view.observe_validation(Answered(IMAGES, torch.tensor([1, 2, 3, 2, 1, 1]), PROBABILITIES.log()))
    assert view._worst is not None
    assert view._worst.true[0] == 3
    layout = Probe(Hand([[0.0] * 8] * 3)).survey(FixedSamples(COUNTING))
    with pytest.raises(ValueError, match="labels go from 1 to 3, the model has 3 classes: they count from 0"):
        view.request(layout, FixedSamples(COUNTING))


def test_images_of_another_size_are_passed_over() -> None:
    view = WorstMistakes()
    view.begin_validation()
    view.observe_validation(Answered(IMAGES[:1], LABELS[:1], PROBABILITIES[:1].log()))
    view.observe_validation(Answered(torch.ones(1, 1, 2, 2), LABELS[5:], PROBABILITIES[5:].log()))
    view.observe_validation(Answered(None, LABELS[5:], PROBABILITIES[5:].log()))
    assert view._worst is not None
    assert view._worst.images.flatten().tolist() == [0]


def test_maps_by_hand() -> None:
    # Scores 90 and 270 for an image that counts to 15; Grad-CAM: half the map, and the map, see Hand.
    model = Hand([[1.0, 1, 1, 1, 1, -1, -1, -1], [0.5] * 8])
    found = explain(model, FixedSamples(COUNTING, torch.tensor([0])), [WorstMistakes("conv")])
    assert found.arrays["worst_mistakes/conv"].equal(torch.stack([MAP, 0.5 * MAP, 0.5 * MAP])[None])


def test_of_several_samples_the_wrong_ones_are_drawn_the_worst_first() -> None:
    samples = told([0, 0, 2, 0], [0, 1, 2, 2])
    found = explain(Told(3), samples, [WorstMistakes("conv"), GradCAM("conv")])
    assert found.arrays["worst_mistakes/conv"].shape == (2, 3, 4, 4)
    of_labels = explain(Told(3), samples, [GradCAM("conv")], target="label").arrays["grad_cam/conv"]
    torch.testing.assert_close(found.arrays["worst_mistakes/conv"][:, 1], of_labels[[3, 1]])


@pytest.mark.parametrize("labels", [None, [0, 1, 2]])
def test_without_mistakes_or_labels_nothing_is_drawn(labels: list[int] | None) -> None:
    samples = told([0, 1, 2], labels or [0, 0, 0])
    if labels is None:
        samples = FixedSamples(samples.images)
    assert not explain(Told(3), samples, [WorstMistakes()]).pictures


def worst(model: SmallCNN, count: int) -> tuple[Tensor, Tensor]:
    images, labels = stripes().tensors
    said = model.eval()(images).log_softmax(1)
    loss = -said.gather(1, labels[:, None])[:, 0] * (said.argmax(1) != labels)
    return images[loss.topk(count).indices], loss.sort(descending=True).values[:count]


def test_in_training_they_are_those_of_the_whole_validation_set(tmp_path: Path) -> None:
    explained: list[Any] = []

    class Keeping(WorstMistakes):
        def draw(self, evidence: Any) -> Any:
            explained.append(evidence.result("worst"))
            yield from super().draw(evidence)

    view = Keeping(count=3)
    model = fit(tmp_path / "with", [CNNVisualizer([view], on_error="raise")], max_epochs=1)
    assert sha(model) == sha(fit(tmp_path / "without", [], max_epochs=1))
    images, loss = worst(model, 3)
    assert isinstance(model, SmallCNN)
    assert (loss > 0).all(), "or the test says nothing"
    mistakes, contrasted = explained[-1]
    torch.testing.assert_close(mistakes.loss, loss)
    assert mistakes.images.equal(images)
    assert contrasted.classes[:, 1].equal(mistakes.true)
    assert image_steps(tmp_path / "with")["worst_mistakes/body"][-1] == 5
    assert view.state_dict()["worst"] is None, "no images go into a checkpoint"
