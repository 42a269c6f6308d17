from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from lightning_cnnviz.samples import random_numbers


def drawn() -> list[float]:
    return [random.random(), float(np.random.rand()), float(torch.rand(()))]  # noqa: NPY002


def test_what_is_drawn_inside_changes_nothing_outside_even_after_an_error() -> None:
    @random_numbers.preserved()
    def draw_and_fail() -> None:
        random_numbers.seed(7)
        drawn()
        raise KeyError

    with random_numbers.preserved():
        expected = drawn()
    with pytest.raises(KeyError):
        draw_and_fail()
    assert drawn() == expected


def test_a_seed_makes_every_generator_repeat() -> None:
    with random_numbers.preserved():
        random_numbers.seed(3)
        first = drawn()
        random_numbers.seed(3)
        assert drawn() == first
        random_numbers.seed(4)
        assert all(a != b for a, b in zip(drawn(), first, strict=True))
