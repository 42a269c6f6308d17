"""Guided backpropagation and deconvnet, by hand, for every way to write a ReLU."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_cnnviz.methods.backward_rules import Rule, ruled_gradient

# Per pixel: was the ReLU's input positive, and is the gradient that comes in positive?
INPUT = torch.tensor([[[[2.0, 2.0, -2.0, -2.0]]]])
INCOMING = torch.tensor([3.0, -3.0, 3.0, -3.0])
GRADIENT = [3.0, -3.0, 0.0, 0.0]
RULED: dict[Rule, list[float]] = {"guided": [3.0, 0.0, 0.0, 0.0], "deconvnet": [3.0, 0.0, 3.0, 0.0]}

RECTIFIERS: dict[str, Callable[[Tensor], Tensor]] = {
    "nn.ReLU": nn.ReLU(),
    "nn.ReLU in place": lambda x: nn.ReLU(inplace=True)(x.clone()),
    "F.relu": F.relu,
    "relu_": lambda x: x.clone().relu_(),
    "nn.ReLU6": nn.ReLU6(),
    "clamp": lambda x: x.clamp(min=0),
    "clamp_min": lambda x: x.clamp_min(0),
    "clamp in place": lambda x: x.clone().clamp_(min=0),
}


def _apply(rule: Rule, function: Callable[[Tensor], Tensor], images: Tensor = INPUT) -> tuple[list[float], str | None]:
    images = images.clone().requires_grad_()
    found = ruled_gradient((function(images) * INCOMING).flatten(1).sum(dim=1), images, rule)
    assert found is not None
    return found.values.flatten().tolist(), found.remark


@pytest.mark.parametrize("rule", RULED)
@pytest.mark.parametrize("rectifier", RECTIFIERS)
def test_rule_at_one_relu(rectifier: str, rule: Rule) -> None:
    assert _apply(rule, RECTIFIERS[rectifier]) == (RULED[rule], None)


def test_relu6_passes_nothing_where_it_saturates() -> None:
    saturated = torch.tensor([[[[7.0, 7.0, 3.0, 3.0]]]])
    assert _apply("guided", F.relu6, saturated)[0] == [0.0, 0.0, 3.0, 0.0]
    assert _apply("deconvnet", F.relu6, saturated)[0] == [3.0, 0.0, 3.0, 0.0]


@pytest.mark.parametrize("rule", RULED)
def test_rule_at_every_relu_of_a_chain(rule: Rule) -> None:
    # Two ReLUs with a change of sign between: y = ReLU(-ReLU(x) + 3), score = -2 y0 + y1.
    # x = (1, -1): inner ReLU 1, 0; outer input 2, 3; both outer gradients are (-2, 1).
    # The outer ReLU lets (0, 1) through, the change of sign makes it (0, -1), the inner ReLU lets nothing through.
    images = torch.tensor([[[[1.0, -1.0]]]], requires_grad=True)
    outer = (-images.relu() + 3).relu()
    score = (outer * torch.tensor([-2.0, 1.0])).flatten(1).sum(dim=1)
    found = ruled_gradient(score, images, rule, retain_graph=True)
    assert found is not None
    assert found.values.flatten().tolist() == [0.0, 0.0]
    assert torch.autograd.grad(score.sum(), images)[0].flatten().tolist() == [2.0, 0.0]


def test_the_graph_obeys_the_chain_rule_again_afterwards() -> None:
    images = INPUT.clone().requires_grad_()
    score = (images.relu() * INCOMING).flatten(1).sum(dim=1)
    for rule in RULED:
        ruled_gradient(score, images, rule, retain_graph=True)
    assert torch.autograd.grad(score.sum(), images)[0].flatten().tolist() == GRADIENT


def test_hooks_are_gone_after_a_failure() -> None:
    images = INPUT.clone().requires_grad_()
    score = (images.relu() * INCOMING).flatten(1).sum(dim=1)
    with pytest.raises(RuntimeError):
        ruled_gradient(score, torch.zeros(1), "guided", retain_graph=True)  # not part of the graph, needs no gradient
    assert torch.autograd.grad(score.sum(), images)[0].flatten().tolist() == GRADIENT


@pytest.mark.parametrize(
    ("activation", "name"),
    [
        (F.silu, "SiLU"),
        (F.gelu, "GELU"),
        (F.leaky_relu, "LeakyReLU"),
        (F.elu, "ELU"),
        (F.hardswish, "Hardswish"),
        (F.hardtanh, "Hardtanh"),
        (F.mish, "Mish"),
        (lambda x: F.prelu(x, torch.tensor([0.2])), "PReLU"),
        (torch.tanh, "Tanh"),
        (F.softplus, "Softplus"),
    ],
)
def test_other_activations_keep_their_gradient_and_are_named(activation: Callable[[Tensor], Tensor], name: str) -> None:
    images = INPUT.clone().requires_grad_()
    (expected,) = torch.autograd.grad((activation(images) * INCOMING).sum(), images)
    values, remark = _apply("guided", activation)
    assert values == expected.flatten().tolist()
    assert remark is not None
    assert "no ReLU" in remark
    _, remark = _apply("guided", lambda x: activation(x).relu())
    assert remark is not None
    assert f"{name} kept" in remark


@pytest.mark.parametrize("bound", [1e-6, -1.0])
def test_a_clamp_elsewhere_than_at_zero_is_no_relu(bound: float) -> None:
    images = INPUT.clone().requires_grad_()
    (expected,) = torch.autograd.grad((images.clamp(min=bound) * INCOMING).sum(), images)
    assert _apply("guided", lambda x: x.clamp(min=bound))[0] == expected.flatten().tolist()


def test_a_model_without_activation_functions_gives_its_gradient() -> None:
    values, remark = _apply("deconvnet", lambda x: x * 1)
    assert values == INCOMING.tolist()
    assert remark is not None


def test_scores_that_do_not_depend_on_the_images() -> None:
    other = torch.ones(1, requires_grad=True)
    assert ruled_gradient(other.relu(), INPUT.clone().requires_grad_(), "guided") is None
