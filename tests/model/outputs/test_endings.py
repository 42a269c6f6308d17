"""What a model does last to its scores, read off the graph."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_cnnviz import FixedSamples
from lightning_cnnviz.model.outputs.endings import ending_of
from lightning_cnnviz.model.outputs.readings import Known
from lightning_cnnviz.model.outputs.recognition import read
from lightning_cnnviz.model.overheard import Overhearing
from lightning_cnnviz.model.probe import Probe
from tests.helpers.model_shapes import Net

TWO = Known(2)

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


def test_means_of_probabilities_are_probabilities() -> None:
    scores = torch.tensor([[0.0, 1.0, 3.0], [2.0, 0.0, -1.0]], requires_grad=True)
    both = (scores.softmax(dim=1) + (2 * scores).softmax(dim=1)) / 2
    assert read(both, TWO).ending == "softmax"
    assert torch.equal(read(both, TWO).probabilities(both), both)
    single = torch.stack([scores[:, :1].sigmoid(), (scores[:, :1] + 3).sigmoid()]).mean(dim=0)
    assert read(single, TWO).ending == "sigmoid"
    assert read(single, TWO).probabilities(single)[:, 1].tolist() == single[:, 0].tolist()
    for output in (scores.softmax(1) + scores.sigmoid(), 3 + scores.sigmoid(), (scores + scores.mul(2)) / 2):
        assert read(output, TWO).ending == "logits"  # no row sums to one, some exceed one
    assert ending_of(torch.cat([1 - single, single], dim=1)) is None  # by its numbers a softmax
    assert read(torch.cat([1 - single, single], dim=1), TWO).ending == "softmax"


@pytest.mark.parametrize(
    ("make", "total"),
    [
        (lambda p: 100 * p, 100),
        (lambda p: p * 7.5, 7.5),
        (lambda p: p + p, 2),
        (lambda p: 100 * p.detach(), 100),  # by the numbers alone
        (lambda p: p, 1),
    ],
)
def test_multiples_of_probabilities_are_divided_by_what_they_sum_to(
    make: Callable[[Tensor], Tensor], total: float
) -> None:
    shares = torch.tensor([[0.7, 0.2, 0.1], [0.25, 0.5, 0.25]])
    output = make(shares.log().requires_grad_().softmax(dim=1))
    reading = read(output, TWO)
    assert (reading.ending, reading.total) == ("softmax", total)
    torch.testing.assert_close(reading.probabilities(output).detach(), shares)
    torch.testing.assert_close(reading.log_probabilities(output).detach(), shares.log())
    assert (f"times {total:g}" in reading.remarks[0]) is (total != 1)
    assert "already are probabilities" in reading.remarks[0]


def test_percents_that_are_overheard_are_shares() -> None:
    torch.manual_seed(0)
    model = Net(lambda m, x: m.scores(x).softmax(dim=1) * 100)
    images = torch.rand(4, 3, 16, 16)
    reading = Probe(model).survey(FixedSamples(images)).reading
    overhearing = Overhearing()
    overhearing.start(model)
    output = model(images)
    heard = overhearing.log_probabilities(4, reading)
    overhearing.stop()
    assert heard is not None
    torch.testing.assert_close(heard.exp(), output / 100)
    assert 0.3 < float(heard.exp().max()) < 0.6


def test_multiples_that_no_graph_tells_and_that_are_no_percents_are_scores() -> None:
    for output in (torch.tensor([[7.0, 2.0, 1.0], [2.0, 4.0, 4.0]]), torch.tensor([[70.0, 30.0], [40.0, 40.0]])):
        assert (read(output, TWO).ending, read(output, TWO).total) == ("logits", 1)


def test_hard_decisions_with_the_gradient_of_a_softmax_are_probabilities() -> None:
    scores = torch.tensor([[2.0, -1.0, 0.5], [-3.0, 1.0, 0.0]], requires_grad=True)
    output = F.gumbel_softmax(scores, hard=True)
    reading = read(output, TWO)
    assert reading.ending == "softmax"
    torch.testing.assert_close(reading.probabilities(output), output)
    assert reading.decisions(output)[:, 0].tolist() == output.argmax(dim=1).tolist()


@pytest.mark.parametrize("bounded", [F.hardsigmoid, lambda x: x.clamp(0, 1), lambda x: F.hardtanh(x, 0.0, 1.0)])
def test_scores_that_are_cut_to_probabilities(bounded: Callable[[Tensor], Tensor]) -> None:
    output = bounded(torch.tensor([[0.9], [0.1]], requires_grad=True))
    reading = read(output, TWO)
    assert (reading.meaning, reading.ending) == ("classes", "sigmoid")
    torch.testing.assert_close(reading.probabilities(output)[:, 1:], output)
    assert ending_of(torch.tensor([0.5], requires_grad=True).clamp(0, 2)) is None


def test_the_name_of_an_output_tells_probabilities() -> None:
    output = torch.tensor([[0.9], [0.1]])
    for name, ending in (("pred_score", "sigmoid"), ("probs", "sigmoid"), ("score", "logits")):
        assert read(output, TWO, ("out", name)).ending == ending
    assert read(output * 2, TWO, ("probs",)).ending == "logits"  # no probability is 1.8
    both = torch.tensor([[0.25, 0.75], [0.5, 0.5]])
    assert read(both, TWO, ("probs",)).ending == "softmax"
    assert read(both / 2, TWO, ("probs",)).meaning == "labels"


def test_a_yes_or_no_of_each_image_is_one_class_of_two_scores() -> None:
    images = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    samples = FixedSamples.from_dataset(list(zip(images, [0.0, 1.0, 1.0, 0.0], strict=True)))
    reading = Probe(Net(lambda m, x: m.scores(x), width=2)).survey(samples).reading
    assert (reading.meaning, reading.width) == ("classes", 2)


LOGITS = torch.tensor([[2.0, -1.0, 0.5], [-3.0, 1.0, 0.0]], requires_grad=True)


@pytest.mark.parametrize("take", [F.logsigmoid, lambda logits: logits.sigmoid().log()])
@pytest.mark.parametrize("truth", ["multi_hot", "classes", None])
def test_log_sigmoids_are_log_probabilities_of_independent_labels(
    take: Callable[[Tensor], Tensor], truth: str | None
) -> None:
    output = take(LOGITS)
    reading = read(output, Known(2, truth=truth))
    assert (reading.meaning, reading.ending) == ("labels", "log_sigmoid")
    torch.testing.assert_close(reading.probabilities(output), LOGITS.sigmoid())
    assert reading.decisions(output).tolist() == [[1, 0, 1], [0, 1, 0]]


def test_a_single_log_sigmoid_is_the_log_probability_of_a_yes() -> None:
    output = F.logsigmoid(LOGITS[:, :1])  # of 2 and -3
    reading = read(output, TWO)
    assert reading.single
    torch.testing.assert_close(
        reading.probabilities(output), torch.tensor([[0.1192, 0.8808], [0.9526, 0.0474]]), atol=1e-4, rtol=0
    )
    assert reading.decisions(output).tolist() == [[1], [0]]
    certain = F.logsigmoid(torch.full((2, 1), 200.0, requires_grad=True))
    torch.testing.assert_close(reading.probabilities(certain), torch.tensor([[0.0, 1.0]] * 2))


def test_masks_of_log_sigmoids_are_cut_at_one_half() -> None:
    output = F.logsigmoid(torch.tensor([1.0, -1.0, -2.0, -3.0]).reshape(1, 2, 1, 2).requires_grad_())
    reading = read(output, Known(1, truth="label_masks"))
    assert reading.overlapping
    assert reading.probabilities(output).tolist() == [[0.5, 0.0]]


ONE_COLUMN: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "softmax": (lambda logits: logits.softmax(dim=1)[:, 1], "sigmoid"),
    "softmax, a column": (lambda logits: logits.softmax(dim=1)[:, 1:], "sigmoid"),
    "softmax, mean of two": (lambda logits: torch.stack([logits.softmax(1)[:, 1]] * 2).mean(0), "sigmoid"),
    "what is missing of the other": (lambda logits: 1 - logits.softmax(dim=1)[:, 0], "sigmoid"),
    "log_softmax": (lambda logits: logits.log_softmax(dim=-1)[:, 1], "log_sigmoid"),
}


@pytest.mark.parametrize("name", ONE_COLUMN)
def test_one_column_of_probabilities_is_that_of_a_yes(name: str) -> None:
    take, ending = ONE_COLUMN[name]
    logits = torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 0.9]], requires_grad=True)
    output = take(logits)
    reading = read(output, Known(3, truth="classes", highest=1))
    assert (reading.meaning, reading.ending, reading.single) == ("classes", ending, True)
    torch.testing.assert_close(reading.probabilities(output), logits.softmax(dim=1))
    assert reading.decisions(output).tolist() == [[0], [1], [0]]
    assert reading.predicted(output).tolist() == [0, 1, 0]
    scores = reading.scores(output)
    (slope,) = torch.autograd.grad(scores.gather(1, reading.predicted(output)[:, None]).sum(), logits)
    assert (slope.sign() == torch.tensor([[1, -1], [-1, 1], [1, -1]])).all()  # each speaks for its own class
    assert "probability of class 1" in reading.remarks[0]


def test_one_mask_of_a_softmax_is_cut_at_one_half() -> None:
    logits = torch.tensor([[0.0, 0.0, 0.0, 0.0], [1.0, -1.0, 2.0, -3.0]]).reshape(1, 2, 2, 2).requires_grad_()
    for output in (logits.softmax(dim=1)[:, 1:], logits.log_softmax(dim=1)[:, 1:]):
        reading = read(output, Known(1, truth="masks", highest=1))
        assert reading.decisions(output).tolist() == [[[1, 0], [1, 0]]]
        assert reading.probabilities(output).tolist() == [[0.5, 0.5]]


SCORES = torch.tensor([[0.5, -2.0, 0.3], [-3.0, -1.0, -4.0]], requires_grad=True)
PLACES = torch.tensor([[[1.0, -2.0], [0.0, 0.5], [-1.0, -1.5]], [[-3.0, 0.0], [2.0, 1.0], [0.1, 0.2]]]).requires_grad_()
NODDED: dict[str, Tensor] = {
    "what is missing": 1 - SCORES.sigmoid(),
    "what is missing to ones": torch.ones(3) - SCORES.sigmoid(),
    "between two": torch.lerp(SCORES.sigmoid(), (SCORES - 1).sigmoid(), 0.3),
    "of a hyperbolic tangent": (SCORES.tanh() + 1) / 2,
    "what is missing of one": 0.5 * (1 - SCORES.tanh()),
    "at least one place": 1 - (1 - PLACES.sigmoid()).prod(dim=2),
    "all places": PLACES.sigmoid().prod(dim=2),
    "weighted places": ((2 * PLACES).softmax(dim=2) * PLACES.sigmoid()).sum(dim=2),
    "mean that counts high places more": PLACES.sigmoid().pow(2).sum(dim=2) / PLACES.sigmoid().sum(dim=2),
}


@pytest.mark.parametrize("name", NODDED)
def test_what_is_made_of_sigmoids_is_probabilities(name: str) -> None:
    output = NODDED[name]
    single = read(output[:, :1], TWO)
    assert (single.single, single.ending) == (True, "sigmoid")
    assert single.probabilities(output[:, :1])[:, 1].equal(output[:, 0])
    assert single.decisions(output[:, :1])[:, 0].tolist() == (output[:, 0] > 0.5).long().tolist()
    several = read(output, Known(2, truth="multi_hot"))
    assert several.probabilities(output).equal(output)
    assert "already are probabilities" in several.remarks[0]


def test_what_only_looks_like_made_of_sigmoids_is_scores() -> None:
    positive = SCORES.relu() + 0.1
    for output in (
        2 - SCORES.sigmoid(),  # beyond one
        0.2 + SCORES.sigmoid() - SCORES.flip(1).sigmoid(),
        SCORES.sigmoid() * positive,  # another gate
        positive.tanh(),
        positive.tanh() + 0.01,
        positive.tanh() * 0.5,
        1 - positive / 4,
        positive.prod(dim=1, keepdim=True),
    ):
        assert read(output[:, :1], TWO).ending == "logits"


def test_shares_of_what_is_missing_are_no_probabilities() -> None:
    shares = torch.tensor([[2.0, 0.0, 1.0], [0.0, 1.0, 1.5]], requires_grad=True).softmax(dim=1)
    for output in (1 - shares, shares.pow(2), shares.sqrt()):
        assert ending_of(output) is None


def test_what_is_used_twice_again_and_again_is_asked_for_once() -> None:
    output = torch.randn(4, 3, requires_grad=True).sigmoid()
    for _ in range(60):
        output = (output + output) / 2
    assert ending_of(output) == "sigmoid"
