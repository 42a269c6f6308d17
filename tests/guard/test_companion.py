"""An object beside the model is as before, apart from data."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningDataModule
from torch import nn
from torch.utils.data import TensorDataset

from lightning_cnnviz.guard import companion
from lightning_cnnviz.guard.companion import companion_preserved


@pytest.fixture(autouse=True)
def _nothing_is_said() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


class Holding(LightningDataModule):
    """Holds something of most things."""

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.seen = 0, [1]
        self.generator, self.numpy = torch.Generator().manual_seed(3), np.random.default_rng(3)
        self.mean, self.bank = torch.zeros(3), torch.zeros(4, 5)
        self.array = np.zeros(3)
        self.augment = nn.BatchNorm2d(1)

    def write(self) -> None:
        self.calls += 1
        self.seen.append(2)
        torch.rand(1, generator=self.generator)
        self.numpy.random()
        self.mean = self.mean + 1
        self.bank[2].add_(1)
        self.array += 1
        self.augment(torch.ones(1, 1, 2, 2)).sum().backward()
        self.augment.eval()
        self.new = 1

    def write_and_fail(self) -> None:
        self.write()
        raise LookupError

    def state(self) -> Any:
        return (
            (self.calls, [*self.seen], self.augment.training, hasattr(self, "new"), self.augment.weight.grad is None),
            (self.generator.get_state().tolist(), str(self.numpy.bit_generator.state)),
            (self.mean.tolist(), self.bank.tolist(), self.array.tolist(), self.augment.running_mean.tolist()),
        )


def test_what_a_companion_writes_to_itself_is_as_before() -> None:
    holding = Holding()
    before, mean = holding.state(), holding.mean
    with companion_preserved(holding):
        holding.write()
        assert holding.state() != before
    assert holding.state() == before
    assert holding.mean is mean


def test_it_is_as_before_also_after_an_exception() -> None:
    holding = Holding()
    before = holding.state()
    with pytest.raises(LookupError), companion_preserved(holding):
        holding.write_and_fail()
    assert holding.state() == before


@dataclass
class Unhashable(LightningDataModule):
    """Is equal to others, and cannot be a key."""

    calls: int = 0
    mean: torch.Tensor = field(default_factory=lambda: torch.zeros(2))

    def __post_init__(self) -> None:
        super().__init__()


def test_an_object_that_cannot_be_a_key_is_as_before() -> None:
    value = Unhashable()
    with companion_preserved(value):
        value.calls += 1
        value.mean += 1
    assert value.calls == 0
    assert value.mean.tolist() == [0.0, 0.0]


@dataclass
class Data:
    """Data of several sizes, the first nearest."""

    large: Any
    small: Any
    many: list[Any]


@pytest.mark.parametrize("make", [torch.zeros, np.zeros])
def test_data_are_left_alone_and_what_is_small_beside_them_is_not(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    element = make(1).nbytes
    monkeypatch.setattr(companion, "_MOST_BYTES", 12 * element)
    data = Data(make(13), make(4), [make(2) for _ in range(9)])
    with companion_preserved(data):
        for each in (data.large, data.small, *data.many):
            each[:] = 1
        data.many.append(make(1))
    assert data.large.sum() == 13
    assert data.small.sum() == 0
    assert [int(each.sum()) for each in data.many] == [0] * 4 + [2] * 5, "as many as there is room for"


def test_a_small_part_of_large_memory_is_as_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(companion, "_MOST_BYTES", 40)
    part = torch.zeros(11)[:2]
    data = Data(part, torch.eye(2).to_sparse(), [])
    with companion_preserved(data):
        part.add_(1)
    assert part.tolist() == [1.0, 1.0]


def test_datasets_are_left_alone() -> None:
    dataset = TensorDataset(torch.zeros(3))
    data = Data(dataset, 1, [])
    with companion_preserved(data):
        dataset.read = 1  # type: ignore[attr-defined]
        dataset.tensors[0].add_(1)
        data.small = 2
    assert dataset.read == 1  # type: ignore[attr-defined]
    assert dataset.tensors[0].tolist() == [1.0, 1.0, 1.0]
    assert data.small == 1
