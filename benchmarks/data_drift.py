"""How often ``data_drift()`` alarms on data of the same source, and on changed data; docs/drift.md has the figures.

    python -m benchmarks.data_drift 200 40     # divisions of unchanged data, batches of each change

Each batch is of 100 digits that no model was trained on, against 400 others, drawn anew each time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.alarms.data import digits
from benchmarks.alarms.harms import rotated
from benchmarks.alarms.replay import interval
from examples.mnist import MnistCNN
from lightning_cnnviz import data_drift

CHANGES: dict[str, Callable[[Tensor, Tensor, torch.Generator], Tensor]] = {
    "rotated by 15°": lambda x, y, g: rotated(x, 15),
    "noise of 0.1": lambda x, y, g: x + 0.1 * torch.randn(x.shape, generator=g),
    "contrast × 0.8": lambda x, y, g: 0.8 * x,
    "blurred, 3×3": lambda x, y, g: F.avg_pool2d(x, 3, 1, 1),
    "moved by 2 pixels": lambda x, y, g: x.roll(2, 3),
    "no 4 and no 9": lambda x, y, g: x[(y != 4) & (y != 9)],
}


def trained(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    model, (images, labels) = MnistCNN(), digits("train", 4000, 28)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for _ in range(3):
        for chosen in torch.randperm(len(images)).split(32):
            optimizer.zero_grad()
            F.cross_entropy(model(images[chosen]), labels[chosen]).backward()
            optimizer.step()
    return model.eval()


def main(arguments: list[str]) -> None:
    torch.set_num_threads(1)
    quiet, changed = map(int, arguments)
    images, labels = digits("val", 1000, 28)
    generator = torch.Generator().manual_seed(1)
    model = trained(1)

    def alarms(count: int, change: Callable[[Tensor, Tensor, torch.Generator], Tensor]) -> str:
        found = [0, 0, 0]
        for _ in range(count):
            order = torch.randperm(len(images), generator=generator)
            now = order[400:500]
            result = data_drift(model, images[order[:400]], change(images[now], labels[now], generator))
            found[0] += result.drifted
            found[1] += result.scalars["data_drift/probabilities_p"] <= result.false_alarms
            found[2] += result.scalars["data_drift/features_p"] <= result.false_alarms
        return f"{interval(found[0], count)}; by probabilities alone {found[1]}, by features alone {found[2]}"

    print("unchanged", alarms(quiet, lambda x, y, g: x))
    for name, change in CHANGES.items():
        print(name, alarms(changed, change))


if __name__ == "__main__":
    main(sys.argv[1:])
