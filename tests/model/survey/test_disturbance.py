"""Noise on an edge of an image, which rows of an output change with it, and where."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lightning_cnnviz.model.layers.turns import TURNS, UPRIGHT, Turn
from lightning_cnnviz.model.survey.disturbance import Trace, changed_rows, disturbed, strays


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


IMAGES = torch.rand(2, 3, 8, 12, generator=torch.Generator().manual_seed(0))
CHANGED = disturbed(IMAGES, "left")


@pytest.mark.parametrize("turn", TURNS)
def test_what_becomes_of_the_left_edge_tells_whether_images_are_turned(turn: Turn) -> None:
    assert strays(IMAGES, turn.undone(IMAGES), [turn.undone(CHANGED)]) == (turn != UPRIGHT)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, [CHANGED]),
        (IMAGES.flip(-1), []),
        (IMAGES.flip(-1), [None]),
        (IMAGES.flip(-1), [CHANGED[..., 1:].flip(-1)]),
        (IMAGES[0, 0], [CHANGED[0, 0]]),
    ],
    ids=["no tensor", "not called again", "no tensor again", "another shape", "no maps"],
)
def test_what_cannot_be_compared_does_not_stray(before: Tensor | None, after: list[Tensor | None]) -> None:
    assert not strays(IMAGES, before, after)


def maps(*places: tuple[int, int]) -> Tensor:
    """A map (1, 16, 16) that is 0 but at these places."""
    filled = torch.zeros(1, 16, 16)
    for row, column in places:
        filled[0, row, column] = 1.0
    return filled


@pytest.mark.parametrize(
    "after",
    [[maps((8, 0))], [maps((8, 0)), maps()], [maps((8, 0)), maps() + torch.inf]],
    ids=["one edge", "an edge that changes nothing", "an infinite change"],
)
def test_where_changes_cannot_be_told_there_is_no_trace(after: list[Tensor]) -> None:
    assert Trace.of(maps(), after) is None


def test_little_speaks_for_a_turn_where_there_is_nothing_to_compare_with() -> None:
    at_left, at_right = [(row, 0) for row in (4, 6, 8)], [(row, 15) for row in (4, 6, 8, 10, 12)]
    at_top, at_bottom = [(0, row) for row in (4, 6, 8)], [(15, row) for row in (4, 6, 8, 10, 12)]
    trace = Trace.of(maps(), [maps(*at_left, *at_right), maps(*at_top, *at_bottom)], blurred=False)
    assert trace is not None
    assert trace.hit() == pytest.approx(3 / 8)
    assert trace.turn() == Turn(quarters=2)  # 5 / 8 of the changes lie at the edges then
    assert trace.turn(clearly=True) == UPRIGHT
