"""C: class prototypes by 10,000 Adam steps from zeros, as in the usual recipe, and by ours at no higher cost."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.report import Bar, Report
from benchmarks.timing import Timings, interleaved
from examples.mnist import MnistCNN, MnistDataModule
from lightning_cnnviz.methods.synthesis import class_prototypes

RECIPE, OURS = "Adam from zeros", "lightning_cnnviz"
CLASSES = 10
_REGULARIZATION = 0.1


def measure(rounds: int, tiny: bool) -> Report:
    """Times both; Adam's steps are all alike, so a round takes some of them and is extrapolated."""
    images, labels = _digits(500 if tiny else 10_000)
    means = torch.stack([images[labels == index].mean(dim=0) for index in range(CLASSES)])
    steps, sampled = (20, 10) if tiny else (10_000, 200)
    bars, timings, notes = [], {}, []
    for name, model, limit in (
        ("784-512-100-10 linear net", _linear_net(), 100),
        ("the MNIST example's CNN", MnistCNN(), 25),
    ):
        _train(model, images, labels)
        recipe_cost = _cost(model, adam(model, means, steps), means)
        ours = class_prototypes(model, torch.arange(CLASSES), means)
        seconds = interleaved(
            {
                RECIPE: partial(adam, model, means, sampled),
                OURS: partial(class_prototypes, model, torch.arange(CLASSES), means),
            },
            rounds,
        ).seconds
        found = Timings({RECIPE: [turn * steps / sampled for turn in seconds[RECIPE]], OURS: seconds[OURS]})
        our_cost = ours.cost.sum().item()
        bars.append(
            Bar(f"{name}: {steps} steps of {RECIPE} over ours", found.ratio(RECIPE, OURS), limit, at_most=False)
        )
        bars.append(Bar(f"{name}: our cost over Adam's", our_cost / recipe_cost, 1.001))
        timings[f"{name}, {CLASSES} classes at once"] = found
        notes.append(f"{name}: cost {recipe_cost:.3g} after Adam, {our_cost:.3g} after {ours.evaluations} evaluations.")
    notes.append(f"The time of {steps} Adam steps is that of {sampled} of them, times {steps // sampled}.")
    return Report("C: class prototypes", bars, timings, notes)


def adam(model: nn.Module, means: Tensor, steps: int) -> Tensor:
    """The usual recipe, in favour of it with all classes in one batch."""
    images = torch.zeros_like(means, requires_grad=True)
    optimizer = torch.optim.Adam([images], lr=0.01)
    for _ in range(steps):
        (images.grad,) = torch.autograd.grad(_loss(model, images, means), images)
        optimizer.step()
    return images.detach()


def _loss(model: nn.Module, images: Tensor, means: Tensor) -> Tensor:
    distance = (images - means).square().flatten(1).mean(dim=1).sum()
    return F.cross_entropy(model(images), torch.arange(CLASSES), reduction="sum") + _REGULARIZATION * distance


def _cost(model: nn.Module, images: Tensor, means: Tensor) -> float:
    with torch.no_grad():
        return _loss(model, images, means).item()


def _linear_net() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 100), nn.ReLU(), nn.Linear(100, CLASSES)
    )


def _digits(count: int) -> tuple[Tensor, Tensor]:
    data = MnistDataModule()
    data.setup("fit")
    images, labels = zip(*(data.train_set[index] for index in range(count)), strict=True)
    return torch.stack(images), torch.tensor(labels)


def _train(model: nn.Module, images: Tensor, labels: Tensor, batch: int = 64) -> None:
    """One epoch, which is enough for an accuracy above 90% on all of the images."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    for index in torch.randperm(len(images)).split(batch):
        optimizer.zero_grad()
        F.cross_entropy(model(images[index]), labels[index]).backward()
        optimizer.step()
    model.eval()
