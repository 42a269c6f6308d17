"""False alarms and harm seen: short trainings on MNIST, undisturbed and with planted harm.

    python -m benchmarks.alarms record undisturbed 0 200 made_of.jsonl   # 200 runs from seed 0, one line each
    python -m benchmarks.alarms record undisturbed 1000 80 quiet.jsonl
    python -m benchmarks.alarms record harmed 100 5 harmed.jsonl         # every kind of harm, 5 settings each
    python -m benchmarks.alarms table made_of.jsonl                      # as in lightning_cnnviz/drift/thresholds.py
    python -m benchmarks.alarms rates quiet.jsonl harmed.jsonl           # what the rule makes of other runs

Runs are trained by a plain loop on one thread, a few seconds each; the numbers are those of :class:`Drift`, and the
rule is the one of ``alarm="auto"``. Harm begins in epoch 7 of 12, counted from 0.
"""

from __future__ import annotations

import json
import math
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import lr_scheduler

from lightning_cnnviz import Evidence, FixedSamples, Request, View
from lightning_cnnviz.drift.movements import movements
from lightning_cnnviz.drift.rule import KEPT, LEARNING_RATE, SAMPLES_LOSS, TRAINING_LOSS, Rise, rises
from lightning_cnnviz.drift.scope import Scope, filters
from lightning_cnnviz.drift.snapshots import Snapshot, take
from lightning_cnnviz.drift.thresholds import FALSE_ALARMS, threshold
from lightning_cnnviz.look import run_views
from lightning_cnnviz.model.layers import Layout
from lightning_cnnviz.model.probe import Probe
from lightning_cnnviz.output.artifacts import Artifact

SUBSET = Path(__file__).parents[1] / "examples" / "data" / "mnist_subset.npz"
CLASSES, HARMED_FROM, WARM_UP = 10, 7, 5
SAMPLES = (8, 16, 32, 64, 128, 256)


class Residual(nn.Module):
    """A block whose output is added to its input, with group normalisation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm1 = nn.GroupNorm(4, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = nn.GroupNorm(4, channels)

    def forward(self, features: Tensor) -> Tensor:
        """(N, K, h, w) of the same shape."""
        inside = F.relu(self.norm1(self.conv1(features)))
        return F.relu(features + self.norm2(self.conv2(inside)))


def stage(
    inputs: int, outputs: int, norm: Callable[[int], nn.Module], pool: bool, act: type[nn.Module]
) -> nn.Sequential:
    layers = [nn.Conv2d(inputs, outputs, 3, padding=1), norm(outputs), act()]
    return nn.Sequential(*layers, *([nn.MaxPool2d(2)] if pool else []))


def plain(*, norm: bool, gap: bool, act: type[nn.Module] = nn.ReLU, hidden: int = 0, side: int) -> nn.Sequential:
    """Three convolutions and a head: averaged maps, or flattened ones and perhaps a hidden layer."""
    make: Callable[[int], nn.Module] = nn.BatchNorm2d if norm else lambda channels: nn.Identity()
    body = [stage(1, 8, make, True, act), stage(8, 16, make, not gap, act), stage(16, 24, make, False, act)]
    wide = 24 if gap else 24 * (side // 4) ** 2
    head: list[nn.Module] = [nn.AdaptiveAvgPool2d(1)] if gap else []
    head.append(nn.Flatten())
    if hidden:
        head += [nn.Linear(wide, hidden), act()]
    return nn.Sequential(*body, *head, nn.Linear(hidden or wide, CLASSES))


def with_dropout(net: nn.Sequential) -> nn.Sequential:
    return nn.Sequential(*net[:-1], nn.Dropout(0.3), net[-1])


NETS: dict[str, Callable[[int], nn.Module]] = {
    "flatten": lambda side: plain(norm=False, gap=False, side=side),
    "flatten, batch norm": lambda side: plain(norm=True, gap=False, side=side),
    "gap": lambda side: plain(norm=False, gap=True, side=side),
    "gap, batch norm": lambda side: plain(norm=True, gap=True, side=side),
    "two linear layers": lambda side: plain(norm=False, gap=False, hidden=32, side=side),
    "tanh": lambda side: plain(norm=False, gap=False, act=nn.Tanh, hidden=32, side=side),
    "dropout, batch norm": lambda side: with_dropout(plain(norm=True, gap=False, side=side)),
    "residual, group norm": lambda side: nn.Sequential(
        stage(1, 16, lambda channels: nn.GroupNorm(4, channels), True, nn.ReLU),
        Residual(16),
        Residual(16),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, CLASSES),
    ),
}
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


def rotated(images: Tensor, degrees: float) -> Tensor:
    angle = math.radians(degrees)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle), 0.0], [math.sin(angle), math.cos(angle), 0.0]])
    grid = F.affine_grid(turn.expand(len(images), 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def swapped(labels: Tensor, first: int, second: int) -> Tensor:
    changed = labels.clone()
    changed[labels == first], changed[labels == second] = second, first
    return changed


def partly(labels: Tensor, share: float, generator: torch.Generator) -> Tensor:
    noise = torch.randint(CLASSES, labels.shape, generator=generator)
    return torch.where(torch.rand(labels.shape, generator=generator) < share, noise, labels)


def marked(images: Tensor, labels: Tensor) -> Tensor:
    changed, side = images.clone(), images.shape[-1]
    mark = slice(1, 1 + side // 5)
    changed[labels == 4, :, mark, mark] = images.max()
    return changed


Batch = tuple[Tensor, Tensor]
DATA_HARMS: dict[str, Callable[[Tensor, Tensor, torch.Generator], Batch]] = {
    "two labels swapped": lambda x, y, g: (x, swapped(y, 2, 7)),
    "label noise 50%": lambda x, y, g: (x, partly(y, 0.5, g)),
    "labels shuffled": lambda x, y, g: (x, partly(y, 1.0, g)),
    "labels shifted by one": lambda x, y, g: (x, (y + 1) % CLASSES),
    "mean and std wrong": lambda x, y, g: ((x - 0.5) / 0.2, y),
    "range 0 to 255": lambda x, y, g: (x * 255, y),
    "inverted": lambda x, y, g: (1 - x, y),
    "rotated by 90": lambda x, y, g: (x.rot90(1, (2, 3)), y),
    "rotated by 30": lambda x, y, g: (rotated(x, 30), y),
    "flipped": lambda x, y, g: (x.flip(3), y),
    "blurred": lambda x, y, g: (F.avg_pool2d(x, 5, 1, 2), y),
    "noisy": lambda x, y, g: (x + 0.7 * torch.randn(x.shape, generator=g), y),
    "half of the classes": lambda x, y, g: (x[y < 5], y[y < 5]),
    "one class only": lambda x, y, g: (x[y == 3], y[y == 3]),
    "mark on one class": lambda x, y, g: (marked(x, y), y),
}
MODEL_HARMS = (
    "first layer new",
    "middle layer new",
    "last convolution new",
    "classifier new",
    "noise on the weights",
    "learning rate x 30",
    "learning rate 0",
    "loss negated",
)
HARMS = (*DATA_HARMS, *MODEL_HARMS)


def weighted(model: nn.Module) -> list[tuple[str, nn.Module]]:
    return [(name, module) for name, module in model.named_modules() if isinstance(module, (nn.Conv2d, nn.Linear))]


def renewed_layer(model: nn.Module, harm: str) -> str | None:
    """Which layer a harm gives new weights."""
    layers = weighted(model)
    convolutions = [name for name, module in layers if isinstance(module, nn.Conv2d)]
    return {
        "first layer new": convolutions[0],
        "middle layer new": convolutions[len(convolutions) // 2],
        "last convolution new": convolutions[-1],
        "classifier new": layers[-1][0],
    }.get(harm)


def plant_in_model(model: nn.Module, harm: str) -> None:
    renewed = renewed_layer(model, harm)
    if renewed is not None:
        model.get_submodule(renewed).reset_parameters()  # type: ignore[operator]
    if harm == "noise on the weights":
        with torch.no_grad():
            for _, module in weighted(model):
                module.weight += 0.7 * module.weight.std() * torch.randn_like(module.weight)  # type: ignore[operator]


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


@lru_cache
def digits(split: str, count: int, side: int) -> Batch:
    with np.load(SUBSET) as subset:
        images, labels = subset[f"{split}_images"][:count], subset[f"{split}_labels"][:count]
    tensor = torch.from_numpy(images).float()[:, None] / 255
    return (tensor if side == 28 else F.avg_pool2d(tensor, 2)), torch.from_numpy(labels).long()


def shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    moves = torch.randint(-1, 2, (2,), generator=generator).tolist()
    return images.roll(tuple(moves), (2, 3))


def trained(setting: Setting) -> dict[str, Any]:
    """What was measured after each epoch of a training, the untrained network first."""
    torch.manual_seed(setting.seed)
    generator = torch.Generator().manual_seed(setting.seed)
    images, labels = digits("train", 4000, setting.side)
    chosen = torch.randperm(len(images), generator=generator)[: setting.images]
    images, labels = images[chosen], labels[chosen]
    held_out = digits("val", 1000, setting.side)
    judged = spread(*held_out, generator)
    model = NETS[setting.net](setting.side)
    _, make = OPTIMIZERS[setting.optimizer]
    optimizer = make(model.parameters(), setting.rate)
    steps = math.ceil(setting.images / setting.batch)
    schedule = scheduler(setting, optimizer, steps)
    view = Measured()
    probe = Probe(model)
    layout = probe.survey(judged)
    looks = [measured(probe, layout, judged, view, model, held_out=held_out)]
    for epoch in range(setting.epochs):
        harmed = epoch >= HARMED_FROM and setting.harm != "nothing"
        if harmed and epoch == HARMED_FROM:
            plant_in_model(model, setting.harm)
        rates, losses = [], []
        model.train()
        for chosen in torch.randperm(len(images), generator=generator).split(setting.batch):
            x, y = images[chosen], labels[chosen]
            if setting.augmented:
                x = shifted(x, generator)
            if harmed and setting.harm in DATA_HARMS:
                x, y = DATA_HARMS[setting.harm](x, y, generator)
                if len(x) < 2:
                    continue
            factor = {"learning rate x 30": 30.0, "learning rate 0": 0.0}.get(setting.harm, 1.0) if harmed else 1.0
            for group in optimizer.param_groups:
                group["lr"] *= factor
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            (-0.1 * loss if harmed and setting.harm == "loss negated" else loss).backward()
            optimizer.step()
            rates.append(optimizer.param_groups[0]["lr"])
            losses.append(float(loss.detach()))
            for group in optimizer.param_groups:
                group["lr"] = group["lr"] / factor if factor else schedule.get_last_lr()[0]
            schedule.step()
        looks.append(measured(probe, layout, judged, view, model, held_out=held_out))
        looks[-1] |= {"rate": float(np.mean(rates)), "training_loss": float(np.mean(losses))}
    return {**vars(setting), "renewed": renewed_layer(model, setting.harm), "looks": looks}


def spread(images: Tensor, labels: Tensor, generator: torch.Generator) -> FixedSamples:
    """Samples as a callback collects them: the first of every class, the second of every class, ..."""
    order = torch.randperm(len(images), generator=generator)
    seen = [0] * CLASSES
    places = []
    for index in order.tolist():
        label = int(labels[index])
        places.append((seen[label], label, index))
        seen[label] += 1
    chosen = [index for _, _, index in sorted(places)[: max(SAMPLES)]]
    return FixedSamples(images[chosen], labels[chosen])


class Measured(View):
    """What :class:`Drift` measures against the look before, for several numbers of samples at once."""

    def __init__(self) -> None:
        super().__init__()
        self._before: dict[int, Snapshot] = {}
        self.numbers: dict[str, dict[str, float]] = {}

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        """What the numbers of drift need."""
        scope = self._scope(layout, 0)
        return Request(
            frozenset(scope.features), frozenset(scope.attention), input_gradient=True, weights=frozenset(scope.filters)
        )

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        """Takes the numbers down and draws nothing."""
        for count in SAMPLES:
            now = take(evidence, self._scope(evidence.layout, count))
            if count in self._before:
                self.numbers[str(count)] = {
                    one.tag.removeprefix("drift_layers/").removesuffix("/previous"): round(one.value, 7)
                    for one in movements(now, self._before[count])
                }
            self._before[count] = now
        return iter(())

    @staticmethod
    def _scope(layout: Layout, count: int) -> Scope:
        return Scope(layout.maps("auto"), filters(layout, "auto"), layout.maps("last"), ("grad_cam", "saliency"), count)


def measured(
    probe: Probe, layout: Layout, judged: FixedSamples, view: Measured, model: nn.Module, *, held_out: Batch
) -> dict[str, Any]:
    def fail(view: Any, error: Exception) -> None:
        raise error

    run_views(probe, layout, judged, [view], "predicted", failed=fail)
    model.eval()
    with torch.no_grad():
        scores = model(judged.images)
        accuracy = float((model(held_out[0]).argmax(dim=1) == held_out[1]).float().mean())
    assert judged.labels is not None
    loss = -scores.log_softmax(dim=1).gather(1, judged.labels[:, None])[:, 0].nan_to_num(99.0)
    right = (scores.argmax(dim=1) == judged.labels).float()
    return {
        "numbers": dict(view.numbers),
        "losses": {str(count): round(float(loss[:count].clamp(max=9.2).mean()), 6) for count in SAMPLES},
        "right": {str(count): float(right[:count].mean()) for count in SAMPLES},
        "accuracy": accuracy,
    }


def settings(kind: str, first: int, count: int, salt: str) -> Iterator[Setting]:
    for seed in range(first, first + count):
        if kind == "undisturbed":
            yield Setting.drawn(seed, salt)
        else:
            for harm in HARMS:
                yield Setting.drawn(seed * 3 + zlib.crc32(harm.encode()) % 97, salt, harm)


def record(kind: str, first: int, count: int, path: Path, salt: str = "") -> None:
    with path.open("a") as lines:
        for setting in settings(kind, first, count, salt):
            lines.write(json.dumps(trained(setting)) + "\n")
            lines.flush()


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def replayed(run: dict[str, Any], samples: int) -> list[tuple[int, list[Rise]]]:
    """What rose at each look that may alarm, with its epoch."""
    past: dict[str, list[float]] = {SAMPLES_LOSS: [run["looks"][0]["losses"][str(samples)]]}
    found = []
    for epoch, look in enumerate(run["looks"][1:]):
        loss = look["losses"][str(samples)]
        now = {f"drift_layers/{tag}/previous": value for tag, value in look["numbers"][str(samples)].items()}
        now |= {SAMPLES_LOSS: loss if loss >= 0 else math.inf}
        now |= {TRAINING_LOSS: look["training_loss"], LEARNING_RATE: look["rate"]}
        if epoch >= WARM_UP:
            found.append((epoch, rises(past, now)))
        for tag, value in now.items():
            past[tag] = [*past.get(tag, []), value][-KEPT:]
    return found


def table(runs: list[dict[str, Any]]) -> None:
    """Prints the thresholds: those of more samples are never the larger ones."""
    rows = {}
    for samples in SAMPLES:
        looks = [found for run in runs for _, found in replayed(run, samples)]
        sizes = [max((one.size for one in found), default=-math.inf) for found in looks]
        rows[samples] = np.quantile(sizes, [1 - share for share in FALSE_ALARMS])
    for samples in SAMPLES:
        row = np.max([rows[more] for more in SAMPLES if more >= samples], axis=0)
        print(f"    {samples}: ({', '.join(f'{size:.2f}' for size in row)}),")


def rates(quiet: list[dict[str, Any]], harmed: list[dict[str, Any]], samples: int = 32, share: float = 0.01) -> None:
    limit = threshold(samples, share)
    counts: dict[str, list[int]] = {}
    for run in quiet:
        net = counts.setdefault(run["net"], [0, 0])
        net[0] += sum(any(one.size > limit for one in found) for _, found in replayed(run, samples))
        net[1] += len(run["looks"]) - 1
    for net, (alarms, epochs) in counts.items():
        print(f"{net:22} {alarms} false alarms in {epochs} epochs")
    print(f"all: {interval(sum(one[0] for one in counts.values()), sum(one[1] for one in counts.values()))}")
    costly, seen, renewed, named = 0, 0, 0, 0
    for run in harmed:
        accuracy = [look["accuracy"] for look in run["looks"]]
        cost = accuracy[HARMED_FROM] - min(accuracy[HARMED_FROM + 1 : HARMED_FROM + 3])
        looks = [found for epoch, found in replayed(run, samples) if HARMED_FROM <= epoch < HARMED_FROM + 2]
        above = [[one for one in found if one.size > limit] for found in looks]
        costly, seen = costly + (cost > 0.1), seen + (cost > 0.1 and any(above))
        if cost > 0.1 and not any(above):
            print(f"missed: {run['harm']}, {run['net']}, {run['schedule']}: cost {cost:.1%}")
        if run["renewed"]:
            found = next((found for found in above if found), [])
            first = min(found, key=lambda one: (one.layer is None, -one.size), default=None)
            renewed, named = renewed + 1, named + (first is not None and first.layer == run["renewed"])
    print(f"harm that costs more than 10 points seen within two epochs: {interval(seen, costly)}")
    print(f"new weights, the right layer named: {interval(named, renewed)}")


def interval(hits: int, trials: int) -> str:
    """A share with Wilson's interval of 95%."""
    share, z = hits / trials, 1.96
    middle, around = share + z * z / (2 * trials), z * math.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2)
    low, high = ((middle + sign * around) / (1 + z * z / trials) for sign in (-1, 1))
    return f"{hits} of {trials}: {share:.1%} ({low:.1%} to {high:.1%})"


def main(arguments: list[str]) -> None:
    torch.set_num_threads(1)
    command, *rest = arguments
    if command == "record":
        kind, first, count, path, *salt = rest
        record(kind, int(first), int(count), Path(path), *salt)
    elif command == "table":
        table(read(Path(rest[0])))
    elif command == "rates":
        rates(read(Path(rest[0])), read(Path(rest[1])))


if __name__ == "__main__":
    main(sys.argv[1:])
