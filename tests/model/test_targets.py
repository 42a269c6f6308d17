"""From targets to the score explained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_cnnviz import FixedSamples, GradCAM, explain
from lightning_cnnviz.model.outputs.readings import Reading
from lightning_cnnviz.model.targets import Target, Targeted, check_target
from lightning_cnnviz.model.targets import target_scores as scores_of
from tests.helpers.model_shapes import Net, logits

SCORES = torch.tensor([[1.0, 2.0, 0.5], [4.0, -1.0, 3.0]])


def target_scores(scores: Tensor, target: Target, labels: Tensor | None) -> Targeted:
    return scores_of(scores, Reading(width=3), target, labels)


@pytest.mark.parametrize(
    ("target", "scores", "classes"),
    [
        ("predicted", [2.0, 4.0], [1, 0]),
        ("label", [0.5, -1.0], [2, 1]),
        (2, [0.5, 3.0], [2, 2]),
        ([0, 2], [1.0, 3.0], [0, 2]),
        ((0, 2), [1.0, 3.0], [0, 2]),
        (np.array([0, 2]), [1.0, 3.0], [0, 2]),
        (torch.tensor([0, 2]), [1.0, 3.0], [0, 2]),
        ([np.int64(0), torch.tensor(2)], [1.0, 3.0], [0, 2]),
        (np.int64(2), [0.5, 3.0], [2, 2]),
        (torch.tensor(2), [0.5, 3.0], [2, 2]),
        (lambda scores: scores.argmin(dim=1), [0.5, -1.0], [2, 1]),
        (lambda scores: scores[:, 0] - scores[:, 1], [-1.0, 5.0], None),
    ],
    ids=[
        *("predicted", "label", "fixed", "list", "tuple", "array", "tensor", "mixed", "numpy integer", "single tensor"),
        *("function to classes", "function to scores"),
    ],
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
        (np.array([0.5]), TypeError, "integers"),
        (torch.tensor([True]), TypeError, "integers"),
        (np.array([-1]), ValueError, "count from 0"),
    ],
)
def test_targets_that_are_none(target: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        check_target(target)


def test_classes_that_the_data_hold_as_floats_are_labels() -> None:
    torch.manual_seed(0)
    images = torch.rand(3, 3, 16, 16)
    as_floats = FixedSamples.from_dataset(list(zip(images, [2.0, 0.0, 1.0], strict=True)))
    as_integers = FixedSamples(images, torch.tensor([2, 0, 1]))
    assert as_floats.labels is None
    model = Net(logits)
    found, expected = (explain(model, samples, [GradCAM()], target="label") for samples in (as_floats, as_integers))
    assert torch.equal(found.arrays["grad_cam/late"], expected.arrays["grad_cam/late"])
    too_many = FixedSamples.from_dataset(list(zip(images, [2.0, 0.0, 3.0], strict=True)))
    with pytest.raises(ValueError, match="target='label' needs labelled samples"):
        explain(model, too_many, [GradCAM()], target="label")
