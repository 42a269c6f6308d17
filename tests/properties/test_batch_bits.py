"""Trainings at random on batches of every form, without us and with the default callbacks: the same bits and end.

What is drawn follows from the seed alone, which the message of a failure names: ``check(seed)`` repeats it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lightning_cnnviz import CNNVisualizer, DriftCallback
from tests.helpers.random_batches import NetOfBatches, Style, plan_of
from tests.helpers.random_guests import Guests
from tests.helpers.random_loaders import data
from tests.helpers.random_runs import execute

COMBINATIONS, CHUNK = 20, 5


def check(seed: int, directory: Path) -> str:
    """Runs one combination; what differs, or nothing."""
    plan = plan_of(seed)
    without = execute(plan, directory / "without", None, NetOfBatches, data)
    with_us = execute(plan, directory / "with", Guests("", [CNNVisualizer(), DriftCallback()]), NetOfBatches, data)
    differences = with_us.differences(without)
    if without.ended != ["well"] * len(without.ended):
        differences.append(f"it ends by itself: {without.ended}")
    return f"seed {seed}: {differences[:6]}\n  {plan}\n  {Style.of(seed)}" if differences else ""


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, COMBINATIONS, CHUNK))
def test_the_same_bits_and_the_same_end_on_batches_of_every_form(first: int, tmp_path: Path) -> None:
    found = [check(seed, tmp_path / str(seed)) for seed in range(first, first + CHUNK)]
    assert not any(found), "\n".join(filter(None, found))
