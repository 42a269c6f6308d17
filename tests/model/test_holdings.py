"""What modules hold outside of parameters and buffers comes back after a look, wherever they keep it."""

from __future__ import annotations

import copy
import random
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightning_cnnviz.model.isolation import isolated
from tests.helpers.outcomes import plain
from tests.helpers.quirks import CHANNELS, QUIRKS


class Named(dict[str, Any]):
    """A container of the user's own, which counts what is put into it."""

    puts = 0

    def __setitem__(self, key: str, value: Any) -> None:
        type(self).puts += 1
        super().__setitem__(key, value)


@dataclass
class State:
    mean: Tensor = field(default_factory=lambda: torch.ones(3))
    steps: int = 0
    inner: Any = field(default_factory=lambda: SimpleNamespace(seen=[torch.ones(3)], more=[]))


class Holds(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.state = State()
        self.tables = {"a": {"b": [torch.ones(3)]}}
        self.named, self.counts = Named(a=1), Counter("aab")
        self.recent, self.order = deque([1, 2], maxlen=2), OrderedDict(a=1, b=2)
        self.lists, self.members = defaultdict(list, a=[1]), {1, 2}
        self.array, self.rows = np.ones(3), ([torch.ones(3)],)
        self.hidden = [nn.BatchNorm1d(3)]
        self.of_torch, self.of_python = torch.Generator().manual_seed(1), random.Random(1)
        self.of_numpy, self.older = np.random.default_rng(1), np.random.RandomState(1)

    def forward(self, values: Tensor) -> Tensor:
        self.state.mean += 1
        self.state.steps += 1
        self.state.inner.seen[0] += 1
        self.state.inner.more.append(1)
        self.tables["a"]["b"][0].data.mul_(2)
        self.tables["a"]["c"] = []
        self.named["b"] = 2
        self.counts.update("abc")
        self.recent.append(3)
        self.order.move_to_end("a")
        self.lists["b"].append(1)
        self.lists["a"].append(2)
        self.members.add(3)
        self.array += 1
        self.rows[0][0].set_(torch.zeros(5))
        self.hidden[0](values)
        torch.rand(1, generator=self.of_torch)
        self.of_python.random(), self.of_numpy.random(), self.older.rand()
        return values * self.weight


def held(model: Holds) -> dict[str, Any]:
    hidden = model.hidden[0]
    seen = {name: plain(value) for name, value in vars(model).items() if not name.startswith("_")}
    seen |= {"order of order": list(model.order), "counts": dict(model.counts), "older": plain(model.older.get_state())}
    return seen | {"hidden": (hidden.training, plain(hidden.running_mean)), "array": model.array.tolist()}


@pytest.mark.parametrize("ending", [None, KeyError, KeyboardInterrupt])
def test_it_comes_back(ending: type[BaseException] | None) -> None:
    model = Holds()
    before, puts = copy.deepcopy(held(model)), Named.puts
    for attempt in range(2):  # the second time, what was put back is taken down again
        try:
            with isolated(model):
                model(torch.rand(4, 3))
                changed = {name for name, value in held(model).items() if value != before[name]}
                assert changed == {*before}, "a change that is none"
                if ending is not None:
                    raise ending
        except (KeyError, KeyboardInterrupt):
            pass
        assert held(model) == before, attempt
    assert Named.puts == puts + 2  # by the model, not by putting back


@pytest.mark.parametrize("quirk", QUIRKS)
def test_layers_that_keep_something_answer_the_next_call_as_if_there_had_been_no_look(quirk: str) -> None:
    torch.manual_seed(5)
    looked_at, twin = QUIRKS[quirk](), QUIRKS[quirk]()
    twin.load_state_dict(copy.deepcopy(looked_at.state_dict()))
    maps = torch.rand(2, CHANNELS, 5, 5)
    with isolated(looked_at):
        looked_at(torch.rand(3, CHANNELS, 5, 5))
    answers = []
    for module in (looked_at, twin):
        torch.manual_seed(6)
        random.seed(6)
        np.random.seed(6)  # noqa: NPY002 - the generator that users' code draws from
        answers.append(module(maps))
    assert torch.equal(*answers)


class Dataset:
    """What a model may hold a reference to, and which is no part of it: it has too many entries."""

    def __init__(self) -> None:
        self.read = 0
        self.entries = [0] * 20_000
        self.files = 20_000 * ["image.png"]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> int:
        self.read += 1
        return self.read


def test_what_belongs_to_the_run_is_left_alone() -> None:
    model = Holds()
    model.dataset = Dataset()
    with isolated(model):
        model.dataset[0]
    assert model.dataset.read == 1
