from __future__ import annotations

import pytest
import torch

from lightning_cnnviz.methods.class_means import ClassMeans


@pytest.mark.parametrize("default", [torch.float32, torch.float64, torch.bfloat16])
def test_means_are_taken_whatever_the_default_dtype(default: torch.dtype) -> None:
    images = torch.tensor([1.0, 2.0, 4.0, 8.0]).view(4, 1, 1, 1)
    before = torch.get_default_dtype()
    torch.set_default_dtype(default)
    try:
        means = ClassMeans([0, 2, 5])
        means.add(images, torch.tensor([0, 2, 0, 1]))
        filled = means.fill(torch.full((3, 1, 1, 1), 7.0), 3)
    finally:
        torch.set_default_dtype(before)
    assert filled.dtype == default
    assert filled.flatten().tolist() == [2.5, 2.0, 7.0]
