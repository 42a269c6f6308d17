"""Distances and costs are no scores: the smallest is that of the likeliest class."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_cnnviz import FixedSamples, explain
from lightning_cnnviz.model.outputs.distances import smaller_is_better
from lightning_cnnviz.model.outputs.readings import Known
from lightning_cnnviz.model.outputs.recognition import read

FEATURES = torch.tensor([[0.0, 1.0], [3.0, 2.0]], requires_grad=True)
PROTOTYPES = torch.tensor([[0.0, 0.0], [1.0, 1.0], [4.0, 2.0]])
APART = FEATURES[:, None] - PROTOTYPES
APART_TWICE = APART * APART
SQUARES = FEATURES.pow(2).sum(dim=1, keepdim=True) + PROTOTYPES.pow(2).sum(dim=1)
UNIT = F.normalize(FEATURES)
COSINES = UNIT @ F.normalize(PROTOTYPES + 0.1).T
BIAS = torch.zeros(3, requires_grad=True)
SCALE = torch.tensor(2.0, requires_grad=True)

COSTS: dict[str, Tensor] = {
    "cdist": torch.cdist(FEATURES, PROTOTYPES),
    "of many": torch.cdist(FEATURES.repeat(20, 1), PROTOTYPES.repeat(20, 1)),
    "squared": torch.cdist(FEATURES, PROTOTYPES) ** 2,
    "scaled": torch.cdist(FEATURES, PROTOTYPES) / torch.tensor(8.0).sqrt(),
    "sum of squares": APART.pow(2).sum(dim=2),
    "root of it": APART.pow(2).sum(dim=2).sqrt(),
    "sum of magnitudes": APART.abs().sum(dim=2),
    "norm": APART.norm(dim=2),
    "pairwise": F.pairwise_distance(FEATURES[:, None], PROTOTYPES),
    "negative log-probabilities": -FEATURES.log_softmax(dim=1),
    "expanded": SQUARES - 2 * FEATURES @ PROTOTYPES.T,
    "expanded, the product scaled": SQUARES - 2 * (FEATURES @ PROTOTYPES.T),
    "expanded, the product first": -2 * (FEATURES @ PROTOTYPES.T) + SQUARES,
    "expanded in one call": torch.addmm(SQUARES, FEATURES, PROTOTYPES.T, alpha=-2),
    "root of the expanded": (SQUARES - 2 * FEATURES @ PROTOTYPES.T).clamp(min=1e-12).sqrt(),
    "cut off": torch.cdist(FEATURES, PROTOTYPES).clamp(min=1e-6),
    "rectified": torch.cdist(FEATURES, PROTOTYPES).relu(),
    "nearest of several": torch.cdist(FEATURES, PROTOTYPES.repeat(2, 1)).reshape(-1, 2, 3).amin(dim=1),
    "nearest of several, with indices": torch.cdist(FEATURES, PROTOTYPES.repeat(2, 1)).view(-1, 2, 3).min(1).values,
    "softly nearest": -(-torch.cdist(FEATURES, PROTOTYPES.repeat(2, 1)).view(-1, 2, 3)).logsumexp(dim=1) + 2,
    "mean over several": torch.cdist(FEATURES, PROTOTYPES.repeat(2, 1)).view(-1, 2, 3).mean(dim=1),
    "products with itself": APART_TWICE.sum(dim=2),
    "weighted": (APART.pow(2) * torch.tensor([0.5, 2.0])).sum(dim=2),
    "by its variance": (APART.pow(2) / SCALE + SCALE.log()).sum(dim=2) / 2,
    "einsum": torch.einsum("nkd,nkd->nk", APART, APART),
    "Mahalanobis": torch.einsum("nki,ij,nkj->nk", APART, torch.eye(2), APART),
    "Mahalanobis by hand": ((APART @ torch.eye(2)) * APART).sum(dim=2),
    "likelihood": 0.5 * torch.cdist(FEATURES, PROTOTYPES) ** 2 + 1,
    "with a bias": SCALE * torch.cdist(FEATURES, PROTOTYPES) + BIAS,
    "of two": torch.cdist(FEATURES, PROTOTYPES) + APART.abs().sum(dim=2),
    "cosine distance": 1 - F.cosine_similarity(FEATURES[:, None], PROTOTYPES[None] + 0.1, dim=2),
    "cosine distance of unit vectors": 2 - 2 * COSINES,
    "angle": COSINES.clamp(-0.999, 0.999).acos(),
    "logarithm of a softmax": -(FEATURES.softmax(dim=1) + 1e-9).log(),
    "mean of two": (-FEATURES.log_softmax(dim=1) - (2 * FEATURES).log_softmax(dim=1)) / 2,
    "stacked": torch.stack([-FEATURES.log_softmax(dim=1), -FEATURES.log_softmax(dim=1)]).mean(dim=0),
    "turned twice": torch.cdist(FEATURES, PROTOTYPES).neg().neg(),
}

SCORES: dict[str, Tensor] = {
    "negative": -torch.cdist(FEATURES, PROTOTYPES),
    "similarity": (-torch.cdist(FEATURES, PROTOTYPES)).exp(),
    "inverse": 1 / torch.cdist(FEATURES, PROTOTYPES),
    "inverse squares": torch.cdist(FEATURES, PROTOTYPES).pow(-2),
    "over distances": torch.ones(2, 3) / torch.cdist(FEATURES, PROTOTYPES),
    "linear": FEATURES @ PROTOTYPES.T,
    "lengths of capsules": (FEATURES[:, None] * PROTOTYPES).norm(dim=2),
    "log-probabilities": FEATURES.log_softmax(dim=1),
    "difference of means": APART.mean(dim=2),
    "rectified linear": F.linear(FEATURES, PROTOTYPES, BIAS).relu(),
    "softplus": F.softplus(F.linear(FEATURES, PROTOTYPES)) + 1,
    "cosine": COSINES,
    "scaled cosine": 30 * COSINES,
    "cosine with a learned scale": SCALE * COSINES + BIAS + 3,
    "cosine similarity": F.cosine_similarity(FEATURES[:, None], PROTOTYPES[None] + 0.1, dim=2),
    "with an angular margin": (COSINES.clamp(-0.9, 0.9).acos() + 0.1).cos(),
    "angle from pi": torch.pi - COSINES.clamp(-0.999, 0.999).acos(),
    "expanded, negative": 2 * FEATURES @ PROTOTYPES.T - SQUARES + 30,
    "what is missing": 10 - torch.cdist(FEATURES, PROTOTYPES),
    "below the farthest": torch.cdist(FEATURES, PROTOTYPES).max() - torch.cdist(FEATURES, PROTOTYPES),
    "below the mean": (torch.cdist(FEATURES, PROTOTYPES).mean() - torch.cdist(FEATURES, PROTOTYPES)).relu(),
    "with a negative scale": 20 + torch.cdist(FEATURES, PROTOTYPES) * -SCALE,
    "share of the distances": 1 - torch.cdist(FEATURES, PROTOTYPES) / torch.cdist(FEATURES, PROTOTYPES).sum(1)[:, None],
    "nearest patch": (-torch.cdist(FEATURES, PROTOTYPES)).exp().amax(dim=1, keepdim=True).expand(2, 3),
    "logarithm of a ratio": ((APART_TWICE.sum(2) + 1) / (APART_TWICE.sum(2) + 1e-4)).log(),
    "Student's t": (1 + APART_TWICE.sum(dim=2)).pow(-1),
    "einsum of features": torch.einsum("nd,kd->nk", FEATURES, PROTOTYPES),
    "einsum of scores": torch.einsum("nd,nd->n", FEATURES, FEATURES)[:, None] * torch.ones(3),
    "difference of scores": FEATURES @ PROTOTYPES.T - FEATURES @ PROTOTYPES.flip(0).T + 50,
    "distance to one side": F.linear(APART.abs().flatten(1), torch.ones(3, 6)),
    "weighted to both sides": (APART.abs() * torch.tensor([1.0, -1.0])).sum(dim=2) + 9,
    "probabilities": FEATURES.softmax(dim=1),
    "what is missing to probabilities": 1 - FEATURES.sigmoid(),
    "residual": (FEATURES.relu() + (FEATURES @ torch.eye(2)).relu()).relu(),
    "without a graph": torch.cdist(FEATURES, PROTOTYPES).detach(),
}


@pytest.mark.parametrize("name", COSTS)
def test_costs_are_told_by_the_graph(name: str) -> None:
    assert smaller_is_better(COSTS[name])


def test_a_network_is_not_searched_to_its_beginning() -> None:
    features = FEATURES
    for _ in range(200):
        features = (features + features.relu()) / 2
    assert not smaller_is_better(features)


@pytest.mark.parametrize("name", SCORES)
def test_scores_are_no_costs(name: str) -> None:
    assert not smaller_is_better(SCORES[name])


def test_what_the_user_or_the_data_say_goes_before_the_graph() -> None:
    output = COSTS["cdist"]
    assert read(output, Known(2)).meaning == "nothing"
    assert "-model(images)" in read(output, Known(2, truth="classes", highest=2)).reason
    assert read(output, Known(2, kind="logits")).meaning == "classes"
    assert read(output, Known(2, truth="values")).meaning == "values"


class Nearest(nn.Module):
    """Says of each image how far it is from three greys."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.ones_(self.convolution.weight)
        self.greys = torch.tensor([[0.0], [0.5], [1.0]])

    def forward(self, images: Tensor) -> Tensor:
        return torch.cdist(self.convolution(images).mean(dim=(2, 3)), self.greys)


def negative(model: nn.Module, images: Tensor) -> Tensor:
    distances: Tensor = model(images)
    return -distances


@pytest.mark.parametrize(("forward", "nearest"), [(None, None), (negative, [0, 1, 2])])
def test_only_what_is_made_scores_is_named(
    forward: Callable[[nn.Module, Tensor], Tensor] | None, nearest: list[int] | None
) -> None:
    images = torch.tensor([0.1, 0.6, 0.9]).reshape(3, 1, 1, 1).expand(3, 1, 4, 4)
    found = explain(Nearest(), FixedSamples(images, torch.tensor([0, 1, 2])), forward=forward)
    assert ("predictions" in found.pictures) == (nearest is not None)
    if nearest is not None:
        assert found.arrays["predictions"].argmax(dim=1).tolist() == nearest
    else:
        assert any("Predictions is left out" in remark and "-model(images)" in remark for remark in found.remarks)


def test_what_is_used_twice_again_and_again_is_asked_for_once() -> None:
    images = torch.rand(4, 3, requires_grad=True)
    costs = torch.cdist(images, torch.rand(5, 3))
    for _ in range(12):
        costs = costs + costs
    assert smaller_is_better(costs)
    for _ in range(60):
        costs = costs + costs
    smaller_is_better(costs)  # 2 ** 72 ways lead to the distances
