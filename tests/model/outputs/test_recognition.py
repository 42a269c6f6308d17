"""What an output is taken for, by its shape, its numbers and what is known of the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from lightning_cnnviz import ConfusionMatrix, FixedSamples, GradCAM, Predictions, Saliency, explain
from lightning_cnnviz.model.outputs.readings import Known
from lightning_cnnviz.model.outputs.recognition import read
from lightning_cnnviz.model.overheard import Overhearing
from lightning_cnnviz.model.probe import Probe
from tests.helpers.model_shapes import Net, logits

TWO = Known(2)


@pytest.mark.parametrize("rows", [[[0.0, 1.0], [1.0, 0.0]], [[1.0], [1.0]], [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]])
def test_ones_and_zeros_may_be_scores(rows: list[list[float]]) -> None:
    assert read(torch.tensor(rows), TWO).ending == "logits"


def test_numbers_of_the_data_that_may_be_classes_are_classes_of_as_many_scores() -> None:
    of_numbers = replace(TWO, truth="values")
    assert read(torch.randn(2, 4), replace(of_numbers, highest=3)).meaning == "classes"
    assert read(torch.randn(2, 4), replace(of_numbers, highest=4)).meaning == "values"
    assert read(torch.randn(2, 4), of_numbers).meaning == "values"
    assert read(torch.randn(2, 4).softmax(dim=1), of_numbers).meaning == "classes"
    assert read(torch.randn(2, 1), replace(of_numbers, highest=3)).meaning == "values"


@pytest.mark.parametrize(
    "ending",
    [lambda scores: scores.softmax(1), lambda scores: scores.log_softmax(1), lambda scores: 100 * scores.softmax(1)],
)
def test_shares_of_several_labels_are_shown_as_they_are(ending: Callable[[torch.Tensor], torch.Tensor]) -> None:
    scores = torch.tensor([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]]).log().requires_grad_()
    for output in (ending(scores), ending(scores).detach()):
        reading = read(output, replace(TWO, truth="multi_hot"))
        assert reading.meaning == "labels"
        torch.testing.assert_close(reading.probabilities(output), scores.exp())
        assert reading.decisions(output).tolist() == [[1, 0, 0], [0, 0, 0]]
        divided = [remark for remark in reading.remarks if "times 100: shown divided by that" in remark]
        assert len(divided) == (output.max() > 1)


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


def test_what_cannot_be_read_says_what_would_help() -> None:
    def reason(output: torch.Tensor, path: tuple[int | str, ...] = ()) -> str:
        return read(output, TWO, path).reason

    shapes = "allowed are (N, classes), (N, 1), (N,) and (N, classes, H, W); "
    function = "forward= takes a function of model and images that returns one row of scores for each image"
    assert reason(torch.randn(5, 2)) == (
        f"the model's output has the shape (5, 2) for 2 images; {shapes}"
        "forward=lambda model, images: model(images).T puts the images first"
    )
    assert reason(torch.randn(5, 3)).endswith(shapes + function)
    assert reason(torch.randn(2, 5, 3)).endswith(shapes + function)
    assert reason(torch.randn(2, 5, 3), ("a",)).endswith(shapes + "output_key names another part of the output")
    assert reason(torch.ones(2).long()) == f"the model returns int64, which has no gradient: {function}"


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("name", ["logits", None])
def test_one_row_of_scores_with_one_more_dimension(dim: int, name: str | None) -> None:
    torch.manual_seed(0)
    plain = Net(logits)
    model = Net(lambda m, x: {"logits": m.scores(x).unsqueeze(dim)} if name else m.scores(x).unsqueeze(dim))
    model.load_state_dict(plain.state_dict())
    samples = FixedSamples(torch.rand(8, 3, 16, 16), torch.tensor([0, 1, 2, 0, 1, 2, 0, 1]))
    views = [Predictions(), Saliency(), GradCAM(), ConfusionMatrix()]
    found, expected = explain(model, samples, views), explain(plain, samples, views)
    assert found.remarks == expected.remarks
    assert found.arrays.keys() == expected.arrays.keys()
    for tag, array in expected.arrays.items():
        torch.testing.assert_close(found.arrays[tag], array)
    overhearing = Overhearing()
    overhearing.start(model)
    output = model(samples.images)
    heard = overhearing.log_probabilities(8, Probe(model).survey(samples).reading)
    overhearing.stop()
    assert heard is not None
    torch.testing.assert_close(heard, (output["logits"] if name else output).squeeze(dim).log_softmax(dim=1).detach())


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
    reading = read(torch.zeros(shape), TWO, ("a",))
    assert reading.meaning == "nothing"
    assert "allowed are (N, classes)" in reading.reason
    assert "output_key" in reading.reason
    assert "output_key" not in read(torch.zeros(shape), TWO).reason  # there is no other part


def test_integers_have_no_gradient() -> None:
    assert "returns int64, which has no gradient" in read(torch.zeros(2, 3).long(), TWO).reason


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
