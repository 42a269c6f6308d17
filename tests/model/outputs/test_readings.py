"""What is made of the numbers of an output: scores, probabilities, decisions."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from lightning_cnnviz.model.outputs.readings import Known, Reading
from lightning_cnnviz.model.outputs.recognition import read

TWO = Known(2)


def test_one_score_per_sample_is_the_logit_of_class_one() -> None:
    for output in (torch.tensor([2.0, -3.0]), torch.tensor([[2.0], [-3.0]])):
        reading = read(output, TWO)
        assert reading.scores(output).tolist() == [[-2.0, 2.0], [3.0, -3.0]]
        assert reading.predicted(output).tolist() == [1, 0]
        expected = torch.tensor([[0.1192, 0.8808], [0.9526, 0.0474]])
        torch.testing.assert_close(reading.probabilities(output), expected, atol=1e-4, rtol=0)
        assert "logit of class 1" in reading.remarks[0]


def test_a_single_result_of_a_sigmoid_is_the_probability_of_class_one() -> None:
    for output in (torch.tensor([0.25, 1.0]), torch.tensor([[0.25], [1.0]])):
        reading = read(output, replace(TWO, ending="sigmoid"))
        assert reading.probabilities(output).tolist() == [[0.75, 0.25], [0.0, 1.0]]
        assert reading.scores(output).tolist() == [[0.75, 0.25], [0.0, 1.0]]
        assert reading.predicted(output).tolist() == [0, 1]
        assert "probability of class 1" in reading.remarks[0]


def test_logits_are_shown_as_their_softmax() -> None:
    output = torch.tensor([[0.0, 0.0], [0.0, 1.0986123]])
    reading = read(output, TWO)
    torch.testing.assert_close(reading.probabilities(output), torch.tensor([[0.5, 0.5], [0.25, 0.75]]))
    assert reading.remarks == ()


@pytest.mark.parametrize("default", [torch.float32, torch.float64])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_outputs_that_are_probabilities_already(dtype: torch.dtype, default: torch.dtype) -> None:
    values = torch.tensor([[0.25, 0.75], [0.5, 0.5]])
    torch.set_default_dtype(default)  # as it is while a model in double precision is looked at
    try:
        for output, word in ((values, "already are probabilities"), (values.log(), "log-probabilities")):
            reading = read(output.to(dtype), TWO)
            shown = reading.probabilities(output.to(dtype)).float()
            torch.testing.assert_close(shown, values, atol=1e-2, rtol=0)
            assert word in reading.remarks[0]
    finally:
        torch.set_default_dtype(torch.float32)


def test_results_of_a_sigmoid_are_probabilities_of_single_labels() -> None:
    values = torch.tensor([[0.9, 0.8, 0.1], [0.2, 0.2, 0.3]])
    reading = read(values, replace(TWO, ending="sigmoid"))
    torch.testing.assert_close(reading.probabilities(values), values)
    assert reading.meaning == "labels"
    assert reading.decisions(values).tolist() == [[1, 1, 0], [0, 0, 0]]
    assert reading.predicted(values).tolist() == [0, 2]
    assert "one for each label" in reading.remarks[0]


@pytest.mark.parametrize("known", [replace(TWO, kind="multilabel"), replace(TWO, truth="multi_hot")])
def test_scores_of_independent_labels(known: Known) -> None:
    scores = torch.tensor([[0.0, 1.0986123], [-1.0986123, 0.0]])
    reading = read(scores, known)
    torch.testing.assert_close(reading.probabilities(scores), torch.tensor([[0.5, 0.75], [0.25, 0.5]]))
    assert reading.scores(scores) is scores


def test_values() -> None:
    output = torch.tensor([[3.5], [-1.0]])
    for known in (replace(TWO, kind="regression"), replace(TWO, truth="values")):
        reading = read(output, known)
        assert reading.meaning == "values"
        assert reading.scores(output) is output
        assert reading.probabilities(output).shape == (2, 0)
        assert reading.classes == 0
        assert reading.predicted(output).tolist() == [0, 0]


MASKS = torch.tensor(
    [
        [[[5.0, 5.0], [5.0, 0.0]], [[0.0, 0.0], [0.0, 2.0]], [[1.0, 1.0], [1.0, 1.0]]],  # mostly 0, one place 1
        [[[9.0, 9.0], [9.0, 9.0]], [[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]],  # all 0
    ]
)


def test_masks() -> None:
    reading = read(MASKS, TWO)
    assert reading.meaning == "masks"
    assert reading.decisions(MASKS).tolist() == [[[0, 0], [0, 1]], [[0, 0], [0, 0]]]
    assert reading.probabilities(MASKS).tolist() == [[0.75, 0.25, 0.0], [1.0, 0.0, 0.0]]
    # The background only where there is nothing else.
    assert reading.predicted(MASKS).tolist() == [1, 0]
    # Over the places where the class is predicted; over all where it is nowhere.
    assert reading.scores(MASKS).tolist() == [[5.0, 2.0, 1.0], [9.0, 2.5, 0.0]]


def test_a_first_class_with_a_name_of_its_own_is_no_background() -> None:
    named = read(MASKS, replace(TWO, names=("road", "car", "sky")))
    assert named.predicted(MASKS).tolist() == [0, 0]
    assert read(MASKS, replace(TWO, names=("background", "car", "sky"))).predicted(MASKS).tolist() == [1, 0]


def test_a_single_mask_is_a_yes_or_no_for_each_place() -> None:
    output = torch.tensor([[[[-1.0, 3.0]]], [[[-2.0, -2.0]]]])
    reading = read(output, TWO)
    assert reading.decisions(output).tolist() == [[[0, 1]], [[0, 0]]]
    assert reading.scores(output).tolist() == [[1.0, 3.0], [2.0, -2.0]]
    assert reading.predicted(output).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("reading", "output"),
    [
        (Reading("classes", width=3), torch.randn(2, 3)),
        (Reading("classes", "softmax", width=3), torch.randn(2, 3).softmax(dim=1)),
        (Reading("classes", "log_softmax", width=3), torch.randn(2, 3).log_softmax(dim=1)),
        (Reading("classes", single=True, width=2), torch.randn(2, 1)),
        (Reading("classes", "sigmoid", single=True, width=2), torch.rand(2)),
    ],
)
def test_probabilities_of_one_class_of_several_sum_to_one(reading: Reading, output: Tensor) -> None:
    logarithms = reading.log_probabilities(output)
    torch.testing.assert_close(logarithms.exp().sum(dim=1), torch.ones(2))
    torch.testing.assert_close(logarithms.exp(), reading.probabilities(output))
    assert reading.predicted(output).tolist() == logarithms.argmax(dim=1).tolist()


def test_masks_of_independent_classes_may_overlap_or_be_of_none() -> None:
    chances = torch.tensor([[[[0.9, 0.6], [0.1, 0.4]], [[0.8, 0.7], [0.2, 0.3]]]])
    reading = read(chances, replace(Known(1, (3, 2, 2)), ending="sigmoid"))
    assert (reading.meaning, reading.overlapping, reading.skips_first) == ("masks", True, False)
    assert reading.decisions(chances).tolist() == [[[0, 1], [-1, -1]]]
    assert reading.probabilities(chances).tolist() == [[0.5, 0.5]]
    torch.testing.assert_close(reading.scores(chances), torch.tensor([[0.75, 0.75]]))  # over the places of each class
    logits = chances.logit()
    for known in (replace(TWO, kind="multilabel"), replace(TWO, truth="label_masks")):
        again = read(logits, replace(known, samples=1, image_shape=(3, 2, 2)))
        assert torch.equal(again.decisions(logits), reading.decisions(chances))
        assert torch.equal(again.probabilities(logits), reading.probabilities(chances))
        assert "independent classes" in again.remarks[0]
    assert read(logits, replace(TWO, samples=1, image_shape=(3, 2, 2))).decisions(logits).tolist() == [[[0, 1], [1, 0]]]
