"""Distributed trainings in processes of their own, and what comes of them."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tests.helpers import distributed_runs as runs
from tests.helpers.processes import Ended, run_ranks, succeeded


def train(directory: Path, way: str, *arguments: Any, nodes: int = 1, **options: Any) -> list[Ended]:
    target = partial(runs.train, directory, way, *arguments, nodes=nodes, **options)
    return run_ranks(target, directory=directory, nodes=nodes)


def outcomes(directory: Path) -> list[dict[str, Any]]:
    return [torch.load(directory / f"rank{rank}.pt") for rank in range(len(list(directory.glob("rank*.pt"))))]


Outcomes = dict[str, list[dict[str, Any]]]


def trained(directory: Path, way: str, *arguments: Any, **options: Any) -> list[dict[str, Any]]:
    succeeded(*train(directory, way, *arguments, **options))
    return outcomes(directory)


def assert_same_training(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> None:
    for mine, expected in zip(ours, theirs, strict=True):
        assert mine["steps"] == expected["steps"]
        assert mine["weights"].keys() == expected["weights"].keys()
        for name, tensor in mine["weights"].items():
            assert torch.equal(tensor, expected["weights"][name]), name
        assert mine["metrics"] == expected["metrics"]


def given_up(ended: Ended) -> list[tuple[str, str]]:
    """The views that were switched off, as the user is told."""
    return re.findall(r"goes on without (.*?): (.*)", ended.output)
