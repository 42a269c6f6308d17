"""Trainings at random, each run without us and with us: the same bits, and the same end.

What is drawn follows from the seed alone, which the message of a failure names: ``check(seed)`` repeats it. In every
second chunk of seeds the models count as large, so that their memory is watched instead of copied.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.random_guests import guests
from tests.helpers.random_runs import execute, recipe

COMBINATIONS, CHUNK = 160, 10


def check(seed: int, directory: Path) -> str:
    """Runs one combination; what differs, or nothing."""
    plan = recipe(seed)
    without = execute(plan, directory / "without")
    made = guests(seed)
    with_us = execute(plan, directory / "with", made)
    differences = with_us.differences(without)
    if not differences:
        return ""
    again = execute(plan, directory / "again").differences(without)
    blame = "the training differs by itself" if again else "with us it differs"
    told = [text[:150] for text in with_us.told[:4]]
    return f"seed {seed}: {blame}: {differences[:6]}\n  {plan}\n  {made.about}, {made.details}\n  told {told}"


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, COMBINATIONS, CHUNK))
def test_the_same_bits_and_the_same_end(first: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if first // CHUNK % 2:  # as of a model with many parameters, whose memory is watched
        monkeypatch.setattr("lightning_cnnviz.guard.saved_tensors._SMALL", 0)
        monkeypatch.setattr("lightning_cnnviz.guard.large_memory._COPIED_AT_ONCE", 0)
    found = [check(seed, tmp_path / str(seed)) for seed in range(first, first + CHUNK)]
    assert not any(found), "\n".join(filter(None, found))
