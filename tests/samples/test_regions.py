"""Regions of samples, as boxes or as masks."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from lightning_cnnviz import FixedSamples
from lightning_cnnviz.samples import same_samples
from tests.helpers.drift import samples, through_file


def test_boxes_become_masks() -> None:
    boxes = torch.tensor([[1, 2, 4, 3]] * 12)
    masks = samples(regions=boxes).regions
    assert masks is not None
    expected = torch.zeros(8, 8, dtype=torch.bool)
    expected[2, 1:4] = True
    assert torch.equal(masks[0], expected)


@pytest.mark.parametrize(
    ("regions", "error", "message"),
    [
        (torch.zeros(12, 8, 7, dtype=torch.bool), ValueError, r"\(12, 8, 8\)"),
        (torch.zeros(12, 4), ValueError, "float32"),
        (torch.tensor([[0, 0, 9, 8]] * 12), ValueError, "left < right <= 8"),
        (torch.tensor([[0, 5, 8, 5]] * 12), ValueError, "top < bottom <= 8"),
        ([[0, 0, 1, 1]], TypeError, "tensor"),
    ],
)
def test_what_does_not_fit_is_refused(regions: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        samples(regions=regions)


def test_survive_a_file_and_tell_sets_apart() -> None:
    given = samples(regions=torch.tensor([[0, 0, 4, 4]] * 12))
    again = FixedSamples.from_state_dict(through_file(given.state_dict()))
    assert same_samples(given, again)
    assert not same_samples(given, samples())
    assert given.with_display_defaults(mean=[0.5], std=[0.5]).regions is not None
