"""What the numbers of an output mean, and what is made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from lightning_cnnviz.model.endings import ending_of
from lightning_cnnviz.model.known import Known
from lightning_cnnviz.model.readings import Reading
from lightning_cnnviz.model.recognition import read

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


@pytest.mark.parametrize("rows", [[[0.0, 1.0], [1.0, 0.0]], [[1.0], [1.0]], [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]])
def test_ones_and_zeros_may_be_scores(rows: list[list[float]]) -> None:
    assert read(torch.tensor(rows), TWO).ending == "logits"


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


ENDINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "logits": lambda x: x,
    "softmax": lambda x: x.softmax(dim=1),
    "log_softmax": lambda x: x.log_softmax(dim=-1),
    "sigmoid": lambda x: x.sigmoid(),
}


@pytest.mark.parametrize("reshaped", [False, True])
@pytest.mark.parametrize("name", ENDINGS)
def test_the_graph_tells_what_was_done_last(name: str, reshaped: bool) -> None:
    scores = torch.nn.functional.linear(torch.randn(2, 4), torch.randn(3, 4, requires_grad=True))
    output = ENDINGS[name](scores)
    assert ending_of(output[:, :, None].squeeze(2).clone() if reshaped else output) == name


def test_what_the_graph_does_not_tell() -> None:
    scores = torch.randn(2, 3, requires_grad=True)
    assert ending_of(scores.softmax(dim=0)) is None  # over the samples
    assert ending_of(scores.relu()) is None
    assert ending_of(scores.detach()) is None


def test_two_softmaxes_averaged_are_probabilities() -> None:
    scores = torch.randn(2, 3, requires_grad=True)
    assert read((scores.softmax(1) + scores.flip(1).softmax(1)) / 2, TWO).ending == "softmax"


def test_values() -> None:
    output = torch.tensor([[3.5], [-1.0]])
    for known in (replace(TWO, kind="regression"), replace(TWO, truth="values")):
        reading = read(output, known)
        assert reading.meaning == "values"
        assert reading.scores(output) is output
        assert reading.probabilities(output).shape == (2, 0)
        assert reading.classes == 0
        assert reading.predicted(output).tolist() == [0, 0]


def test_numbers_of_the_data_that_may_be_classes_are_classes_of_as_many_scores() -> None:
    of_numbers = replace(TWO, truth="values")
    assert read(torch.randn(2, 4), replace(of_numbers, highest=3)).meaning == "classes"
    assert read(torch.randn(2, 4), replace(of_numbers, highest=4)).meaning == "values"
    assert read(torch.randn(2, 4), of_numbers).meaning == "values"
    assert read(torch.randn(2, 4).softmax(dim=1), of_numbers).meaning == "classes"
    assert read(torch.randn(2, 1), replace(of_numbers, highest=3)).meaning == "values"


def test_one_score_for_labels_above_one_is_a_number() -> None:
    of_classes = replace(TWO, truth="classes", highest=2)
    reading = read(torch.randn(2, 1), of_classes)
    assert reading.meaning == "values"
    assert reading.remarks == (
        "one score per sample and labels up to 2: read as a value; output='logits' reads a yes or no",
    )
    assert read(torch.randn(2, 1), replace(of_classes, highest=1)).meaning == "classes"
    assert read(torch.randn(2, 1), replace(of_classes, kind="logits")).meaning == "classes"
    assert read(torch.randn(2, 3), of_classes).meaning == "classes"


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


def test_pictures() -> None:
    known = Known(2, (3, 4, 4))
    assert read(torch.rand(2, 3, 4, 4), known).meaning == "reconstruction"
    assert read(torch.rand(2, 3, 8, 8), known).meaning == "reconstruction"  # enlarged
    assert read(torch.rand(2, 3, 4, 4), replace(known, truth="masks")).meaning == "masks"
    assert read(torch.rand(2, 3, 4, 4).softmax(dim=1), known).meaning == "masks"
    assert read(torch.rand(2, 2, 4, 4), known).meaning == "masks"
    assert read(torch.rand(2, 3, 4, 4), replace(known, kind="logits")).meaning == "masks"
    assert read(torch.rand(2, 3, 4, 4), replace(known, names=("road", "car", "sky"))).meaning == "masks"
    assert read(torch.rand(2, 3, 4, 4), replace(known, names=("road", "car"))).meaning == "reconstruction"
    of_images = replace(known, names=("cat", "dog", "cow"), truth="classes")
    assert read(torch.rand(2, 3, 4, 4), of_images).meaning == "reconstruction"


def test_numbers_for_each_place() -> None:
    known = Known(2, (3, 4, 4))
    for depth in (replace(known, truth="pictures"), replace(known, truth="masks", highest=80)):
        reading = read(torch.rand(2, 1, 4, 4), depth)
        assert reading.meaning == "reconstruction"
        assert reading.reason.startswith("the output is numbers for each place, which has no score of one class")
        assert reading.remarks == (
            "the labels are numbers for each place: so the output is read, which has no classes",
        )
    assert read(torch.rand(2, 1, 4, 4), replace(known, kind="regression")).meaning == "reconstruction"
    assert read(torch.rand(2, 1, 4, 4), replace(known, truth="masks", highest=1)).meaning == "masks"
    assert read(torch.rand(2, 2, 4, 4), replace(known, truth="values")).meaning == "masks"  # numbers of whole images


def test_embeddings() -> None:
    unit = torch.nn.functional.normalize(torch.randn(2, 16), dim=1)
    assert read(unit, TWO).meaning == "embedding"
    assert read(unit, replace(TWO, kind="logits")).meaning == "classes"
    names = tuple("abcdefghij")
    assert read(torch.randn(2, 2048), replace(TWO, names=names)).meaning == "embedding"
    assert read(torch.randn(2, 1000), replace(TWO, names=names)).meaning == "classes"
    assert read(torch.randn(2, 2048), TWO).meaning == "classes"
    unlabelled = replace(TWO, unlabelled=True)  # two views of each image, or nothing but images
    assert read(torch.randn(2, 128), unlabelled).meaning == "embedding"
    assert read(torch.randn(2, 128), replace(unlabelled, truth="classes", highest=700)).meaning == "embedding"
    assert read(torch.randn(2, 10), unlabelled).meaning == "classes"
    assert read(torch.randn(2, 64), replace(unlabelled, names=tuple(map(str, range(64))))).meaning == "classes"
    with pytest.raises(ValueError, match="an embedding, which has no score of one class"):
        read(unit, TWO).scores(unit)


@pytest.mark.parametrize("shape", [(), (3, 4), (2, 3, 4), (2, 3, 4, 4, 4), (1,), (2, 0)])
def test_outputs_that_are_no_class_scores(shape: tuple[int, ...]) -> None:
    reading = read(torch.zeros(shape), TWO)
    assert reading.meaning == "nothing"
    assert "allowed are (N, classes)" in reading.reason
    assert "output_key" in reading.reason


def test_integers_have_no_gradient() -> None:
    assert "returns int64, which has no gradient" in read(torch.zeros(2, 3).long(), TWO).reason


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


def test_means_of_probabilities_are_probabilities() -> None:
    scores = torch.tensor([[0.0, 1.0, 3.0], [2.0, 0.0, -1.0]], requires_grad=True)
    both = (scores.softmax(dim=1) + (2 * scores).softmax(dim=1)) / 2
    assert read(both, TWO).ending == "softmax"
    assert torch.equal(read(both, TWO).probabilities(both), both)
    single = torch.stack([scores[:, :1].sigmoid(), (scores[:, :1] + 3).sigmoid()]).mean(dim=0)
    assert read(single, TWO).ending == "sigmoid"
    assert read(single, TWO).probabilities(single)[:, 1].tolist() == single[:, 0].tolist()
    for output in (scores.softmax(1) + scores.softmax(1), 3 + scores.sigmoid(), (scores + scores.mul(2)) / 2):
        assert read(output, TWO).ending == "logits"  # no row sums to one, some exceed one
    assert ending_of(torch.cat([1 - single, single], dim=1)) is None  # by its numbers a softmax
    assert read(torch.cat([1 - single, single], dim=1), TWO).ending == "softmax"


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


@pytest.mark.parametrize(
    ("shape", "image", "are_last"),
    [
        ((3, 16, 16, 5), (3, 16, 16), True),
        ((3, 4, 6, 5), (3, 16, 24), True),
        ((3, 1, 1, 10), (3, 16, 24), True),
        ((3, 5, 16, 16), (3, 16, 16), False),
        ((3, 16, 16, 16), (3, 16, 16), False),  # may be either
        ((3, 21, 8, 8), (3, 16, 16), False),
        ((3, 4, 5, 7), (3, 16, 16), False),  # a valid convolution leaves odd places
        ((3, 10, 1, 1), (3, 16, 16), False),
    ],
)
def test_channels_that_come_last_are_said_and_not_taken_for_places(
    shape: tuple[int, ...], image: tuple[int, ...], are_last: bool
) -> None:
    reading = read(torch.randn(shape), Known(3, image))
    assert ("with the channels last; forward=" in reading.reason) == are_last
    assert (reading.meaning == "nothing") == are_last
