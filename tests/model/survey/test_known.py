"""A model that was explained before is called once; whatever changes what its layers are is seen."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from lightning_cnnviz import Explanation, FixedSamples, explain
from lightning_cnnviz.samples import Truth

IMAGES = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """Two branches, of which a setting says which one the scores come from; counts its calls outside of itself."""

    def __init__(self, calls: list[int]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 3)
        self.use_second = False
        self.called = lambda: calls.append(1)

    def forward(self, images: Tensor) -> Tensor:
        self.called()
        maps = self.second(images) if self.use_second else self.first(images)
        scores: Tensor = self.head(maps.relu().mean(dim=(2, 3)))
        return scores


@pytest.fixture
def calls() -> list[int]:
    return []


@pytest.fixture
def net(calls: list[int]) -> Net:
    return Net(calls)


def look(net: Net, samples: FixedSamples | None = None) -> Explanation:
    return explain(net, FixedSamples(IMAGES) if samples is None else samples)


def test_the_second_look_is_one_call_and_shows_the_same(net: Net, calls: list[int]) -> None:
    first = look(net)
    assert len(calls) > 1
    calls.clear()
    second = look(net)
    assert len(calls) == 1
    assert first.arrays.keys() == second.arrays.keys()
    assert all(torch.equal(array, second.arrays[tag]) for tag, array in first.arrays.items())


def train_a_step(net: Net) -> None:
    net(IMAGES).sum().backward()
    torch.optim.SGD(net.parameters(), lr=0.1).step()


def take_the_other_branch(net: Net) -> None:
    net.use_second = True


def replace_a_layer(net: Net) -> None:
    net.first = nn.Conv2d(3, 4, 5)


CHANGES: dict[str, Callable[[Net], None]] = {
    "weights": train_a_step,
    "setting": take_the_other_branch,
    "layer": replace_a_layer,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_model_is_surveyed_again(net: Net, calls: list[int], change: Callable[[Net], None]) -> None:
    look(net)
    change(net)
    calls.clear()
    shown = look(net)
    assert len(calls) > 1
    assert f"grad_cam/{'second' if net.use_second else 'first'}" in shown.arrays


@pytest.mark.parametrize(
    "samples",
    [
        FixedSamples(IMAGES.flip(0)),
        FixedSamples(IMAGES, torch.tensor([0, 1, 2, 0])),
        FixedSamples(IMAGES, class_names=["a", "b", "c"]),
        FixedSamples(IMAGES[:3]),
    ],
    ids=["images", "labels", "names", "fewer"],
)
def test_other_samples_are_surveyed_again(net: Net, calls: list[int], samples: FixedSamples) -> None:
    look(net)
    calls.clear()
    look(net, samples)
    assert len(calls) > 1


def test_another_way_to_read_the_output_is_surveyed_again(net: Net, calls: list[int]) -> None:
    look(net)
    calls.clear()
    explain(net, FixedSamples(IMAGES), output="multilabel")
    assert len(calls) > 1


def test_a_function_that_calls_the_model_is_asked_anew_and_does_not_keep_it(calls: list[int]) -> None:
    net = Net(calls)
    for _ in range(2):
        calls.clear()
        explain(net, FixedSamples(IMAGES), forward=net.forward)
        assert len(calls) > 1
    explain(net, FixedSamples(IMAGES))
    freed = weakref.ref(net)
    del net
    gc.collect()
    assert freed() is None


@pytest.mark.parametrize("name", ["values", "known"])
def test_another_truth_of_the_same_images_is_seen(net: Net, calls: list[int], name: str) -> None:
    yes = torch.tensor([[True, False, True]] * 4)
    truths = {
        "values": (Truth("values", torch.full((4, 1), 0.25)), Truth("values", torch.full((4, 1), 0.75))),
        "known": (Truth("multi_hot", yes), Truth("multi_hot", yes, known=~yes)),
    }[name]
    counts = []
    for truth in (truths[0], truths[0], truths[1]):
        calls.clear()
        look(net, FixedSamples(IMAGES, truth=truth))
        counts.append(len(calls))
    assert counts[1] < counts[0] == counts[2]
