"""Columns that look like scores of classes, and are none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_cnnviz.model.outputs.no_classes import compares_with_a_queue, is_cumulative
from lightning_cnnviz.model.outputs.readings import Known
from lightning_cnnviz.model.outputs.recognition import read

FEATURES = F.normalize(torch.tensor([[1.0, 2.0], [3.0, -1.0], [-2.0, 0.5]]), dim=1).requires_grad_()
KEYS = FEATURES.detach().flip(1)
QUEUE = torch.tensor([[1.0, 0.0, -1.0, 0.5], [0.0, 1.0, 0.5, -1.0]])
WEIGHT = torch.tensor([[1.0, 0.0, -1.0, 0.5], [0.0, 1.0, 0.5, -1.0]], requires_grad=True)
POSITIVE = (FEATURES * KEYS).sum(dim=1, keepdim=True)
THREE = Known(3)

QUEUES: dict[str, Tensor] = {
    "product": torch.cat([POSITIVE, FEATURES @ QUEUE], dim=1) / 0.07,
    "einsum": torch.cat(
        [torch.einsum("nc,nc->n", FEATURES, KEYS)[:, None], torch.einsum("nc,ck->nk", FEATURES, QUEUE)], dim=-1
    )
    * 5,
    "linear": torch.cat([POSITIVE, F.linear(FEATURES, QUEUE.T.contiguous())], dim=1),
}
OTHERS: dict[str, Tensor] = {
    "a head in two parts": torch.cat([POSITIVE, FEATURES @ WEIGHT], dim=1),
    "frozen words": FEATURES @ QUEUE,
    "two columns before": torch.cat([POSITIVE, POSITIVE, FEATURES @ QUEUE], dim=1),
    "behind": torch.cat([FEATURES @ QUEUE, POSITIVE], dim=1),
}


@pytest.mark.parametrize("name", [*QUEUES, *OTHERS])
def test_a_column_before_products_with_a_queue(name: str) -> None:
    output = {**QUEUES, **OTHERS}[name]
    assert compares_with_a_queue(output) is (name in QUEUES)
    reading = read(output, replace(THREE, truth="classes", highest=0))
    assert reading.meaning == ("nothing" if name in QUEUES else "classes")
    assert ("a queue of earlier ones, whose columns are no classes" in reading.reason) is (name in QUEUES)
    assert read(output, replace(THREE, kind="logits")).meaning == "classes"


SCORE = torch.tensor([[0.5], [-1.0], [2.0]], requires_grad=True)
LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.5, 1.0, 3.0], [-1.0, 0.0, 0.0]], requires_grad=True)


@pytest.mark.parametrize(
    ("make", "are_levels"),
    [
        (lambda: LOGITS.sigmoid().cumprod(dim=1), True),
        (lambda: SCORE + torch.tensor([1.0, 0.25, -2.0]), True),
        (lambda: 0.01 * SCORE + torch.tensor([1.0, 0.25, -2.0]), True),  # as of fresh weights
        (lambda: LOGITS, False),
        ((SCORE + torch.tensor([1.0, 0.25, -2.0])).detach, False),  # no graph tells that it is so by design
        (lambda: LOGITS.cumprod(dim=1), False),
        (lambda: LOGITS[:1].expand(3, 3), False),  # of one image again and again
        (lambda: SCORE * torch.tensor([1.0, -1.0, 0.5]), False),
    ],
)
def test_levels_of_an_order(make: Callable[[], Tensor], are_levels: bool) -> None:
    output = make()
    assert is_cumulative(output) is are_levels
    reading = read(output, replace(THREE, truth="classes", highest=2))
    assert ("levels of an order" in reading.reason) is are_levels
    assert (reading.meaning == "nothing") is are_levels
    assert read(output, replace(THREE, truth="multi_hot")).meaning == "labels"  # one yes or no for each level


def test_several_whole_numbers_beside_an_output_of_another_width() -> None:
    output = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    of_two = replace(THREE, truth="values", numbers=2)
    assert "2 whole numbers for each image and an output 6 wide" in read(output, of_two).reason
    assert read(output[:, :2], of_two).meaning == "values"
    assert read(output, replace(of_two, kind="regression")).meaning == "values"
    assert read(output, replace(THREE, truth="values")).meaning == "values"  # such as means and spreads of floats
