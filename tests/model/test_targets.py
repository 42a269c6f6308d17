"""From outputs of every kind to class scores, and from targets to the score explained."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor

from lightning_cnnviz.model.targets import check_target, class_scores, probabilities, select_output, target_scores

SCORES = torch.tensor([[1.0, 2.0, 0.5], [4.0, -1.0, 3.0]])
OTHER = torch.zeros(2, 5)


@dataclass
class Output:
    loss: Tensor
    logits: Tensor


@dataclass
class Unnamed:
    first: Tensor
    second: Tensor


WithAuxiliary = namedtuple("WithAuxiliary", ["logits", "aux_logits2", "aux_logits1"])


@pytest.mark.parametrize(
    "output",
    [
        SCORES,
        (SCORES, OTHER),
        [SCORES, OTHER],
        (torch.tensor(0.3), SCORES),
        (None, SCORES),
        {"features": OTHER, "logits": SCORES},
        {"out": SCORES, "aux": OTHER},
        {"loss": torch.tensor(0.3), "scores": SCORES},
        Output(torch.tensor(0.3), SCORES),
        Unnamed(SCORES, OTHER),
        WithAuxiliary(SCORES, OTHER, OTHER),
    ],
    ids=lambda output: type(output).__name__,
)
def test_class_scores_are_found(output: Any) -> None:
    assert select_output(output) is SCORES


@pytest.mark.parametrize(
    ("output", "key"),
    [
        ({"a": OTHER, "b": SCORES}, "b"),
        ((OTHER, SCORES), 1),
        ((OTHER, SCORES), -1),
        (Unnamed(OTHER, SCORES), "second"),
    ],
    ids=["mapping", "tuple", "from the end", "attribute"],
)
def test_output_key_names_the_scores(output: Any, key: int | str) -> None:
    assert select_output(output, key) is SCORES


@pytest.mark.parametrize(
    ("output", "key", "message"),
    [
        ({"a": SCORES}, "b", r"output_key='b' finds no tensor.*keys \['a'\]"),
        ((SCORES,), 3, r"output_key=3 finds no tensor.*tuple of \['Tensor'\]"),
        ((SCORES,), "b", "output_key='b' finds no tensor"),
        ({"a": "text"}, None, "holds no class scores.*output_key"),
        ((torch.tensor(1.0),), None, "holds no class scores.*output_key"),
        (7, None, "holds no class scores"),
    ],
)
def test_output_without_scores(output: Any, key: int | str | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        select_output(output, key)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), [("googlenet", 64), ("inception_v3", 299)])
def test_auxiliary_outputs_of_torchvision(name: str, size: int) -> None:
    model = torchvision.models.get_model(name, num_classes=4, init_weights=False, aux_logits=True)
    images = torch.randn(2, 3, size, size)
    output = model.train()(images)
    assert select_output(output) is output.logits
    assert select_output(model.eval()(images)).shape == (2, 4)


def test_one_score_per_sample_is_the_logit_of_class_one() -> None:
    expected = torch.tensor([[-2.0, 2.0], [3.0, -3.0]])
    for output in (torch.tensor([2.0, -3.0]), torch.tensor([[2.0], [-3.0]])):
        assert class_scores(output, 2).equal(expected)
        shown, remark = probabilities(output, 2)
        torch.testing.assert_close(shown, torch.tensor([[0.1192, 0.8808], [0.9526, 0.0474]]), atol=1e-4, rtol=0)
        assert remark is not None
        assert "logit of class 1" in remark


def test_dense_scores_are_averaged_over_their_places() -> None:
    dense = torch.arange(24.0).reshape(2, 3, 2, 2)
    assert class_scores(dense, 2).tolist() == [[1.5, 5.5, 9.5], [13.5, 17.5, 21.5]]


def test_multi_label_scores_are_taken_one_by_one() -> None:
    assert target_scores(class_scores(SCORES, 2), 2, None).scores.tolist() == [0.5, 3.0]


@pytest.mark.parametrize("shape", [(), (3, 4), (2, 3, 4), (2, 3, 4, 4, 4), (1,)])
def test_outputs_that_are_no_class_scores(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"allowed are .*output_key"):
        class_scores(torch.zeros(shape), 2)


def test_logits_are_shown_as_their_softmax() -> None:
    shown, remark = probabilities(torch.tensor([[0.0, 0.0], [0.0, 1.0986123]]), 2)
    torch.testing.assert_close(shown, torch.tensor([[0.5, 0.5], [0.25, 0.75]]))
    assert remark is None


@pytest.mark.parametrize("default", [torch.float32, torch.float64])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_outputs_that_are_probabilities_already(dtype: torch.dtype, default: torch.dtype) -> None:
    values = torch.tensor([[0.25, 0.75], [0.5, 0.5]])
    torch.set_default_dtype(default)  # as it is while a model in double precision is looked at
    try:
        for output, word in ((values, "already are probabilities"), (values.log(), "log-probabilities")):
            shown, remark = probabilities(output.to(dtype), 2)
            torch.testing.assert_close(shown, values, atol=1e-2, rtol=0)
            assert remark is not None
            assert word in remark
    finally:
        torch.set_default_dtype(torch.float32)


def test_results_of_a_sigmoid_are_probabilities_of_single_labels() -> None:
    values = torch.tensor([[0.9, 0.8, 0.1], [0.2, 0.2, 0.2]])
    shown, remark = probabilities(values, 2, "sigmoid")
    assert shown.equal(values)
    assert remark is not None
    assert "one for each label" in remark


def test_a_single_result_of_a_sigmoid_is_the_probability_of_class_one() -> None:
    for output in (torch.tensor([0.25, 1.0]), torch.tensor([[0.25], [1.0]])):
        shown, remark = probabilities(output, 2, "sigmoid")
        assert shown.tolist() == [[0.75, 0.25], [0.0, 1.0]]
        assert remark is not None
        assert "probability of class 1" in remark


@pytest.mark.parametrize(
    ("target", "scores", "classes"),
    [
        ("predicted", [2.0, 4.0], [1, 0]),
        ("label", [0.5, -1.0], [2, 1]),
        (2, [0.5, 3.0], [2, 2]),
        ([0, 2], [1.0, 3.0], [0, 2]),
        ((0, 2), [1.0, 3.0], [0, 2]),
        (lambda scores: scores.argmin(dim=1), [0.5, -1.0], [2, 1]),
        (lambda scores: scores[:, 0] - scores[:, 1], [-1.0, 5.0], None),
    ],
    ids=["predicted", "label", "fixed", "list", "tuple", "function to classes", "function to scores"],
)
def test_target(target: Any, scores: list[float], classes: list[int] | None) -> None:
    check_target(target)
    found = target_scores(SCORES, target, torch.tensor([2, 1]))
    assert found.scores.tolist() == scores
    assert (None if found.classes is None else found.classes.tolist()) == classes


def test_the_score_explained_is_differentiable() -> None:
    scores = SCORES.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(target_scores(scores, "predicted", None).scores.sum(), scores)
    assert gradient.tolist() == [[0, 1, 0], [1, 0, 0]]


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        ("label", ValueError, "no labels"),
        (3, ValueError, r"classes \[3, 3\].*classes 0 to 2"),
        ([0, 1, 2], ValueError, "3 classes for 2 samples"),
        (lambda scores: scores, ValueError, r"shape \(2, 3\), allowed is \(2,\)"),
        (lambda scores: [0, 1], TypeError, "target returned list"),
        (lambda scores: torch.tensor([0, -1]), ValueError, r"classes \[0, -1\]"),
    ],
)
def test_targets_that_do_not_fit_the_scores(target: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        target_scores(SCORES, target, None)


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        ("labels", ValueError, "allowed are 'predicted', 'label'"),
        (-1, ValueError, "count from 0"),
        ([1, -2], ValueError, "count from 0"),
        (1.5, TypeError, "integers"),
        (True, TypeError, "integers"),
        (None, TypeError, "integers"),
        (["a"], TypeError, "integers"),
    ],
)
def test_targets_that_are_none(target: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        check_target(target)
