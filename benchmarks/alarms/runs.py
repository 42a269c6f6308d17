"""Trainings by a plain loop, and the numbers of drift after every epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.alarms.data import Batch, digits, shifted
from benchmarks.alarms.harms import DATA_HARMS, HARMED_FROM, plant_in_model, renewed_layer
from benchmarks.alarms.nets import CLASSES, NETS
from benchmarks.alarms.settings import OPTIMIZERS, Setting, scheduler
from lightning_cnnviz import Evidence, FixedSamples, Request, View
from lightning_cnnviz.drift.movements import movements
from lightning_cnnviz.drift.scope import Scope, filters
from lightning_cnnviz.drift.snapshots import Snapshot, take
from lightning_cnnviz.look import run_views
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.model.probe import Probe
from lightning_cnnviz.output.artifacts import Artifact

SAMPLES = (8, 16, 32, 64, 128, 256)


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
    run_views(probe, layout, judged, [view], "predicted")
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
