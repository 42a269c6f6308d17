"""What ``DriftCallback()`` says in trainings by a real Trainer; docs/drift.md has the figures.

    python -m benchmarks.alarms.in_training undisturbed 5000 80 quiet.jsonl   # settings drawn from seeds 5000 to 5079
    python -m benchmarks.alarms.in_training harmed 700 2 harmed.jsonl         # every kind of harm, 2 settings each
    python -m benchmarks.alarms.in_training rates quiet.jsonl harmed.jsonl

Nets, schedules and kinds of harm are those of :mod:`benchmarks.alarms`, the seeds are others than any that thresholds
were made from. The callback has its defaults, but no pictures are drawn.
"""

from __future__ import annotations

import json
import logging
import math
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.alarms.data import digits, shifted
from benchmarks.alarms.harms import DATA_HARMS, HARMED_FROM, plant_in_model, renewed_layer
from benchmarks.alarms.nets import NETS
from benchmarks.alarms.replay import interval, read
from benchmarks.alarms.settings import OPTIMIZERS, Setting, scheduler, settings
from lightning_cnnviz import DriftCallback
from lightning_cnnviz.drift.alarms import Alarm

_SALT = "in a Trainer"
_RATES = {"learning rate x 30": 30.0, "learning rate 0": 0.0}


class Digits(LightningModule):
    """A net in training, harmed from an epoch on."""

    def __init__(self, setting: Setting, generator: torch.Generator) -> None:
        super().__init__()
        self.net = NETS[setting.net](setting.side)
        self._setting, self._generator = setting, generator
        self.accuracy: list[float] = []
        self._right: list[Tensor] = []

    @property
    def _harmed(self) -> bool:
        return self._setting.harm != "nothing" and self.current_epoch >= HARMED_FROM

    def forward(self, images: Tensor) -> Tensor:
        """(N, 10) scores."""
        scores: Tensor = self.net(images)
        return scores

    def on_train_epoch_start(self) -> None:
        """Plants what is wrong with the model."""
        if self._harmed and self.current_epoch == HARMED_FROM:
            plant_in_model(self.net, self._setting.harm)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor | None:
        """Learns from a batch, or from what harm made of it."""
        images, labels = batch
        if self._setting.augmented:
            images = shifted(images, self._generator)
        if self._harmed and self._setting.harm in DATA_HARMS:
            images, labels = DATA_HARMS[self._setting.harm](images, labels, self._generator)
        if len(images) < 2:
            return None
        loss = F.cross_entropy(self(images), labels)
        return -0.1 * loss if self._harmed and self._setting.harm == "loss negated" else loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Notes what is right."""
        self._right.append(self(batch[0]).argmax(dim=1) == batch[1])

    def on_validation_epoch_end(self) -> None:
        """Notes the accuracy."""
        self.accuracy.append(float(torch.cat(self._right).float().mean()))
        self._right.clear()

    def configure_optimizers(self) -> Any:
        """Those of the setting; the rate is harmed, too."""
        optimizer = OPTIMIZERS[self._setting.optimizer][1](self.net.parameters(), self._setting.rate)
        schedule = scheduler(self._setting, optimizer, math.ceil(self._setting.images / self._setting.batch))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def optimizer_step(self, *arguments: Any, **options: Any) -> None:
        """A step at the rate of the schedule, or at a harmed one."""
        factor = _RATES.get(self._setting.harm, 1.0) if self._harmed else 1.0
        groups = self.trainer.optimizers[0].param_groups
        rates = [group["lr"] for group in groups]
        for group in groups:
            group["lr"] *= factor
        super().optimizer_step(*arguments, **options)
        for group, rate in zip(groups, rates, strict=True):
            group["lr"] = rate


def trained(setting: Setting) -> dict[str, Any]:
    """The alarms of a training, and the accuracy after each epoch."""
    torch.manual_seed(setting.seed)
    generator = torch.Generator().manual_seed(setting.seed)
    images, labels = digits("train", 4000, setting.side)
    chosen = torch.randperm(len(images), generator=generator)[: setting.images]
    order = torch.randperm(1000, generator=generator)
    held_out = TensorDataset(*(tensor[order] for tensor in digits("val", 1000, setting.side)))
    validation_batch = int(np.random.default_rng(setting.seed).choice([16, 32, 64, 128]))
    alarms: list[Alarm] = []
    callback = DriftCallback(on_alarm=alarms.append, sinks=[])
    model = Digits(setting, generator)
    with tempfile.TemporaryDirectory() as directory:
        trainer = Trainer(
            max_epochs=setting.epochs,
            accelerator="cpu",
            logger=False,
            callbacks=[callback],
            default_root_dir=directory,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        batches = DataLoader(TensorDataset(images[chosen], labels[chosen]), setting.batch, shuffle=True)
        trainer.fit(model, batches, DataLoader(held_out, validation_batch))
    return {
        **vars(setting),
        "renewed": renewed_layer(model.net, setting.harm),
        "samples": len(callback.samples or ()),
        "accuracy": model.accuracy[1:],  # the first is that of the sanity check
        "alarms": [[alarm.epoch, alarm.layer, alarm.sentence] for alarm in alarms],
    }


def record(kind: str, first: int, count: int, path: Path) -> None:
    with path.open("a") as lines:
        for setting in settings(kind, first, count, _SALT):
            began = time.perf_counter()
            lines.write(json.dumps(trained(setting)) + "\n")
            lines.flush()
            print(f"{setting.seed} {setting.net}: {time.perf_counter() - began:.1f} s", file=sys.stderr)


def rates(quiet: list[dict[str, Any]], harmed: list[dict[str, Any]]) -> None:
    by_net: dict[str, list[int]] = {}
    for run in quiet:
        counts = by_net.setdefault(run["net"], [0, 0])
        counts[0] += len(run["alarms"])
        counts[1] += run["epochs"]
        for _, _, sentence in run["alarms"]:
            print(f"false: {run['net']}, {run['optimizer']}, {run['schedule']}: {sentence}")
    for net, (alarms, epochs) in by_net.items():
        print(f"{net:22} {alarms} false alarms in {epochs} epochs")
    alarms, epochs = (sum(counts) for counts in zip(*by_net.values(), strict=True))
    print(f"{len(quiet)} undisturbed runs: {interval(alarms, epochs)}")
    costly, seen, at_once, renewed, named = 0, 0, 0, 0, 0
    for run in harmed:
        accuracy = run["accuracy"]
        cost = accuracy[HARMED_FROM - 1] - min(accuracy[HARMED_FROM : HARMED_FROM + 2])
        found = [alarm for alarm in run["alarms"] if HARMED_FROM <= alarm[0] < HARMED_FROM + 2]
        if cost > 0.1:
            costly, seen = costly + 1, seen + bool(found)
            at_once += any(epoch == HARMED_FROM for epoch, _, _ in found)
            if not found:
                print(f"missed: {run['harm']}, {run['net']}, {run['schedule']}: cost {cost:.1%}")
        if run["renewed"]:
            renewed, named = renewed + 1, named + bool(found and found[0][1] == f"net.{run['renewed']}")
    if costly and renewed:
        print(f"harm that costs more than 10 points seen within two epochs: {interval(seen, costly)}")
        print(f"in its epoch: {interval(at_once, costly)}")
        print(f"new weights, the right layer named: {interval(named, renewed)}")


def main(arguments: list[str]) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    command, *rest = arguments
    if command == "rates":
        rates(read(Path(rest[0])), read(Path(rest[1])) if rest[1:] else [])
    else:
        record(command, int(rest[0]), int(rest[1]), Path(rest[2]))


if __name__ == "__main__":
    main(sys.argv[1:])
