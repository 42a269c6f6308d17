"""Noise on an edge of an image, and which rows of an output change with it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lightning_cnnviz.model.disturbance import changed_rows, disturbed


def test_an_edge_of_a_flat_image_changes_and_nothing_else() -> None:
    images = torch.full((2, 1, 4, 8), 3.0, requires_grad=True)

    changed = disturbed(images, "left")

    assert not changed.requires_grad
    different = changed != images
    assert bool(different[0, :, :, :2].all())  # a quarter of 8 columns
    assert int(different.sum()) == 8


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (torch.zeros(2, 3), torch.zeros(3, 2)),
        (torch.tensor(1.0), torch.tensor(2.0)),
        (torch.tensor([1, 2]), torch.tensor([1, 3])),
        (torch.zeros(0, 3), torch.zeros(0, 3)),
        (torch.zeros(2), torch.tensor([0.0, torch.inf])),
    ],
    ids=["shapes", "a single number", "whole numbers", "nothing", "infinite"],
)
def test_outputs_that_cannot_be_compared(before: Tensor, after: Tensor) -> None:
    assert changed_rows(before, after) is None


def test_a_change_that_rounding_makes_is_none() -> None:
    # 1e-6 of the largest number, 1000, is 1e-3.
    assert changed_rows(torch.tensor([1000.0, 0.0]), torch.tensor([1000.0, 9e-4])) == []
    assert changed_rows(torch.tensor([1000.0, 0.0]), torch.tensor([1000.0, 2e-3])) == [1]
