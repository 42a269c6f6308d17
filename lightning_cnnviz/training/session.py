"""What all callbacks on one Trainer share: the look, the surveyed models, and where they write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from lightning.pytorch import LightningModule
from torch import nn

from lightning_cnnviz.model.layers import Layout
from lightning_cnnviz.model.probe import Probe, Progress
from lightning_cnnviz.model.sharded import ProbeInStep
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.training.costs import Costs
from lightning_cnnviz.training.outlet import Outlet
from lightning_cnnviz.training.pace import Pace
from lightning_cnnviz.training.ranks import Ranks
from lightning_cnnviz.training.steps import Steps

if TYPE_CHECKING:
    from lightning_cnnviz.training.callback import CNNVisualizer


class Session:
    """A Trainer as all our callbacks on it see it.

    Args:
        trainer: the Trainer.

    Attributes:
        callbacks: all of ours on it, in their order; the first acts for all.
        ranks: the processes that the run is spread over.
        outlet: where artifacts are written.
        costs: what the looks cost.
        steps: at which steps they are written.
        pace: how training went since the last look.
    """

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer
        self.callbacks: Sequence[CNNVisualizer] = ()
        self.ranks = Ranks(trainer.strategy)
        self.outlet = Outlet(trainer, lambda: self.ranks.is_main)
        self.costs = Costs()
        self.steps = Steps()
        self.pace = Pace()
        self._layouts: WeakKeyDictionary[nn.Module, dict[tuple[int, int | str | None], Layout]] = WeakKeyDictionary()

    def probe(self, model: nn.Module, callback: CNNVisualizer, progress: Progress | None = None) -> Probe:
        """Looks at the model as the callback wants it called."""
        if self.ranks.sharded:
            return ProbeInStep(model, self.ranks, output_key=callback.output_key, progress=progress)
        return Probe(model, output_key=callback.output_key, progress=progress)

    def survey(self, model: nn.Module, callback: CNNVisualizer, samples: FixedSamples) -> Layout:
        """The model's layers; found once and kept as long as the model is there."""
        layouts = self._layouts.setdefault(model, {})
        key = (id(samples), callback.output_key)
        if key not in layouts:
            layouts[key] = self.probe(model, callback).survey(samples)
        return layouts[key]

    def log(self, pl_module: LightningModule, monitored: Mapping[str, float]) -> None:
        """Lets Lightning log the numbers of rank 0, for other callbacks to monitor. All ranks must meet here."""
        for tag, value in self.trainer.strategy.broadcast(dict(monitored)).items():
            pl_module.log(tag, value)

    def close(self) -> None:
        """Waits until everything is written and ends the thread that writes."""
        self.ranks.close()
        self.outlet.close()
