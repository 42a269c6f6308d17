"""What a training is like: net, optimizer, schedule, data, drawn at random."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.optim import lr_scheduler

from benchmarks.alarms.harms import HARMS
from benchmarks.alarms.nets import NETS

SCHEDULES = ("constant", "step", "cosine", "one cycle", "warm restarts", "warm-up", "exponential")
OPTIMIZERS: dict[str, tuple[float, Callable[[Any, float], torch.optim.Optimizer]]] = {
    "SGD": (0.03, lambda parameters, rate: torch.optim.SGD(parameters, rate, momentum=0.9, weight_decay=5e-4)),
    "Adam": (2e-3, torch.optim.Adam),
    "AdamW": (2e-3, lambda parameters, rate: torch.optim.AdamW(parameters, rate, weight_decay=0.05)),
}


@dataclass(frozen=True)
class Setting:
    """One training."""

    seed: int
    net: str
    optimizer: str
    schedule: str
    rate: float
    images: int
    batch: int
    side: int
    epochs: int
    augmented: bool
    harm: str = "nothing"

    @staticmethod
    def drawn(seed: int, salt: str, harm: str = "nothing") -> Setting:
        """A setting drawn at random, net and schedule in turn."""
        draw = np.random.default_rng([seed, zlib.crc32(salt.encode())])
        nets = list(NETS)
        in_turn = SCHEDULES[(seed // len(nets) + seed) % len(SCHEDULES)]
        optimizer = str(draw.choice(list(OPTIMIZERS)))
        return Setting(
            seed=seed,
            net=nets[seed % len(nets)],
            optimizer=optimizer,
            schedule=in_turn if harm == "nothing" else str(draw.choice(SCHEDULES)),
            rate=OPTIMIZERS[optimizer][0] * float(2 ** draw.uniform(-1.5, 1.5)),
            images=int(draw.choice([500, 1000, 1000, 2000])),
            batch=int(draw.choice([16, 32, 50, 100])),
            side=int(draw.choice([14, 14, 14, 14, 14, 14, 14, 28])),
            epochs=12 if harm != "nothing" else int(draw.choice([12, 16, 20])),
            augmented=bool(draw.random() < 0.25),
            harm=harm,
        )


def scheduler(setting: Setting, optimizer: torch.optim.Optimizer, steps: int) -> lr_scheduler.LRScheduler:
    """Steps once a batch."""
    total = setting.epochs * steps
    makers: dict[str, Callable[[], lr_scheduler.LRScheduler]] = {
        "constant": lambda: lr_scheduler.LambdaLR(optimizer, lambda step: 1.0),
        "step": lambda: lr_scheduler.MultiStepLR(optimizer, [total * 6 // 10, total * 8 // 10]),
        "cosine": lambda: lr_scheduler.CosineAnnealingLR(optimizer, total),
        "one cycle": lambda: lr_scheduler.OneCycleLR(optimizer, 2 * setting.rate, total_steps=total + 1),
        "warm restarts": lambda: lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 4 * steps),
        "warm-up": lambda: lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / (3 * steps))),
        "exponential": lambda: lr_scheduler.LambdaLR(optimizer, lambda step: 0.8 ** (step // steps)),
    }
    return makers[setting.schedule]()


def settings(kind: str, first: int, count: int, salt: str) -> Iterator[Setting]:
    for seed in range(first, first + count):
        if kind == "undisturbed":
            yield Setting.drawn(seed, salt)
        else:
            for harm in HARMS:
                yield Setting.drawn(seed * 3 + zlib.crc32(harm.encode()) % 97, salt, harm)
