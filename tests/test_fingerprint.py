"""The fingerprint by which other tests tell that nothing changed does see a change of each kind."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.helpers.fingerprint import fingerprint
from tests.helpers.training import SmallCNN


def change_nothing(model: SmallCNN) -> None:
    pass


def keep_gradient(model: SmallCNN) -> None:
    model.head.weight.grad = torch.zeros_like(model.head.weight)


def add_hook(model: SmallCNN) -> None:
    model.stem.register_forward_hook(lambda module, inputs, output: None)


def fill(model: SmallCNN) -> None:
    model.stem[1].running_mean.fill_(5.0)


def rebind(model: SmallCNN) -> None:
    model.head.weight = nn.Parameter(model.head.weight.detach().clone())


def add_attribute(model: SmallCNN) -> None:
    model.stem.note = "seen"


def add_to_container(model: SmallCNN) -> None:
    model.notes.append("seen")


CHANGES: dict[str, Callable[[SmallCNN], Any]] = {
    "parameters": lambda model: model.head.weight.data.mul_(1.0 + 1e-6),
    "parameters: head.bias": lambda model: model.head.bias.requires_grad_(False),
    "parameters: head.weight": lambda model: model.head.weight.register_hook(lambda gradient: None),
    "gradients": keep_gradient,
    "buffers": fill,
    "modes": lambda model: model.dropout.eval(),
    "hooks": add_hook,
    "attributes": rebind,
    "attributes: stem.note": add_attribute,
    "attributes: .notes": add_to_container,
    "generators: torch": lambda model: torch.rand(1),
    "generators: numpy": lambda model: np.random.rand(),  # noqa: NPY002
    "generators: python": lambda model: random.random(),
}


@pytest.mark.parametrize("expected", CHANGES)
def test_fingerprint_sees_a_change_in_each_of_its_fields(expected: str) -> None:
    model = SmallCNN()
    model.notes = ["kept"]
    before = fingerprint(model)

    CHANGES[expected](model)

    assert any(difference.startswith(expected) for difference in before.differences(fingerprint(model)))


FLAGS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "default dtype": (lambda: torch.set_default_dtype(torch.float64), lambda: torch.set_default_dtype(torch.float32)),
    "grad": (lambda: torch.set_grad_enabled(False), lambda: torch.set_grad_enabled(True)),
    "anomaly": (
        lambda: torch.autograd.set_detect_anomaly(True),
        lambda: torch.autograd.set_detect_anomaly(False),
    ),
    "determinism": (
        lambda: torch.use_deterministic_algorithms(True),
        lambda: torch.use_deterministic_algorithms(False),
    ),
    "threads": (lambda: torch.set_num_threads(2), lambda: torch.set_num_threads(1)),
    "autocast": (
        lambda: torch.set_autocast_enabled("cpu", True),
        lambda: torch.set_autocast_enabled("cpu", False),
    ),
}


@pytest.mark.filterwarnings("ignore:Anomaly Detection")
@pytest.mark.parametrize("flag", FLAGS)
def test_fingerprint_sees_a_change_of_a_global_flag(flag: str) -> None:
    change, undo = FLAGS[flag]
    model = SmallCNN()
    before = fingerprint(model)
    change()
    try:
        after = fingerprint(model)
    finally:
        undo()

    assert before.differences(after) == [f"flags: {flag}"]
