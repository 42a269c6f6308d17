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
    "without a graph": torch.cdist(FEATURES, PROTOTYPES).detach(),
}


@pytest.mark.parametrize("name", COSTS)
def test_costs_are_told_by_the_graph(name: str) -> None:
    assert smaller_is_better(COSTS[name])


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
