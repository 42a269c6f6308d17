"""What all callbacks on one Trainer share: the look, the surveyed models, and where they write."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakValueDictionary, ref

import torch
from lightning.pytorch import LightningModule
from torch import nn
from torch.nn.parameter import is_lazy

from lightning_cnnviz.model.evidence import Training
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.model.outputs.readings import Reading
from lightning_cnnviz.model.probe import Probe, Progress
from lightning_cnnviz.model.sharded import ProbeInStep
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.training.bounding import is_ours
from lightning_cnnviz.training.costs import Costs
from lightning_cnnviz.training.failures import described, warn
from lightning_cnnviz.training.looks import look
from lightning_cnnviz.training.outlet import Outlet
from lightning_cnnviz.training.ranks import Ranks
from lightning_cnnviz.training.rehearsal import prepare
from lightning_cnnviz.training.schedule import Steps
from lightning_cnnviz.training.submission import Tags
from lightning_cnnviz.training.training_watching import Pace
from lightning_cnnviz.views import View

if TYPE_CHECKING:
    from lightning_cnnviz.training.callback import CNNVisualizer

_Layers = tuple[tuple[str, type, ref[nn.Module], tuple[torch.Size, ...]], ...]

_sessions: WeakValueDictionary[int, Session] = WeakValueDictionary()
"""By the id of the Trainer, which lives as long as its session."""


class Session:
    """A Trainer as all our callbacks on it see it.

    Args:
        trainer: the Trainer.

    Attributes:
        members: all of ours that are or were on it.
        callbacks: all of ours on it, in their order; the first acts for all.
        ranks: the processes that the run is spread over.
        outlet: where artifacts are written.
        costs: what the looks cost.
        steps: at which steps they are written.
        tags: who writes under which tag.
        pace: what the batches since the last look tell.
        training: how training went between the last two looks.
    """

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer
        self.members: list[CNNVisualizer] = []
        self.callbacks: list[CNNVisualizer] = []
        self.ranks = Ranks(trainer.strategy)
        self.outlet = Outlet(trainer, lambda: self.ranks.is_main)
        self.costs = Costs()
        self.steps = Steps()
        self.tags = Tags()
        self.pace = Pace()
        self.training = Training()
        self._warned: set[str] = set()
        self._monitoring: dict[int, bool] = {}
        self._layouts: WeakKeyDictionary[FixedSamples, dict[tuple[object, ...], tuple[_Layers, Layout]]]
        self._layouts = WeakKeyDictionary()

    @classmethod
    def of(cls, trainer: Any) -> Session:
        """The session of a Trainer, a new one if there is none, or if no callback is left that knows of it."""
        known = _sessions.get(id(trainer))
        if known is None:
            known = _sessions[id(trainer)] = cls(trainer)
        return known

    def admit(self, callback: CNNVisualizer) -> int:
        """A callback comes to the others; its place among those of its class and its tag prefix, which it keeps."""
        if not any(callback is member for member in self.members):
            self.members.append(callback)
        self.refresh()
        if callback.membership.session is self and callback.membership.position >= 0:
            return callback.membership.position
        same = [one for one in self.members if type(one) is type(callback) and one.tag_prefix == callback.tag_prefix]
        taken = {one.membership.position for one in same if one is not callback}
        return next(number for number in itertools.count() if number not in taken)

    def refresh(self) -> None:
        """Follows what was put among the callbacks of the Trainer, or taken out, since the last time."""
        self.callbacks = [one for one in self.trainer.callbacks if any(one is member for member in self.members)]

    def probe(self, model: nn.Module, callback: CNNVisualizer, progress: Progress | None = None) -> Probe:
        """A probe that calls the model as the callback wants it called."""
        if self.ranks.sharded:
            return ProbeInStep(model, self.ranks, **callback.reading, progress=progress)
        return Probe(model, **callback.reading, progress=progress)

    def survey(self, model: nn.Module, callback: CNNVisualizer, samples: FixedSamples) -> Layout:
        """The model's layers; found once, and again when it is another model or has other layers."""
        reading, layers = tuple(callback.reading.values()), _layers_of(model)
        layouts = self._layouts.setdefault(samples, {})
        if reading not in layouts or layouts[reading][0] != layers:
            layouts[reading] = (layers, self.probe(model, callback).survey(samples))
        return layouts[reading][1]

    def known_reading(self, callback: CNNVisualizer, model: nn.Module) -> Reading | None:
        """How the model's output is read, None before anybody looked at it with these layers."""
        layouts = {} if callback.samples is None else self._layouts.get(callback.samples, {})
        known = layouts.get(tuple(callback.reading.values()))
        return None if known is None or known[0] != _layers_of(model) else known[1].reading

    def start(self, pl_module: LightningModule) -> None:
        """Training starts: says what cannot work before the first step."""
        self.costs.start()
        self.steps.start()
        for callback in self.callbacks:
            self.ranks.run_and_share_errors(partial(prepare, self, callback, pl_module))

    def look(self, pl_module: LightningModule, *, untrained: bool = False) -> None:
        """One look for all callbacks, on all ranks; what fails in it costs the callbacks."""
        monitored: dict[str, float] = {}
        if self.ranks.calls_model:
            try:
                with ExitStack() as gathering:
                    for callback in self.callbacks:
                        gathering.enter_context(callback.failures.gathered())
                    monitored = look(self, pl_module, untrained=untrained)
            except Exception as error:  # here, because the other ranks wait for what comes next
                for callback in self.callbacks:
                    callback.failures.give_up_all(error)
        if not untrained:
            self.log(pl_module, monitored)

    def log(self, pl_module: LightningModule, monitored: Mapping[str, float]) -> None:
        """Lets Lightning log the numbers of rank 0, for other callbacks to monitor. All ranks must meet here."""
        known = self.ranks.as_known_everywhere()
        for tag, value in self.trainer.strategy.broadcast(dict(monitored)).items():
            try:
                pl_module.log(tag, value, **known)
            except Exception as error:
                self.warn_once(f"{tag} is not logged: {described(error)}", about=tag)

    def may_monitor(self, view: View) -> bool:
        """Whether a view gives numbers for Lightning to log; a view of the user's may, until its first look tells."""
        if self.trainer.fast_dev_run or getattr(self.trainer, "barebones", False):
            return False  # nobody monitors anything there
        return self._monitoring.get(id(view), bool(view.monitored_tags) or not is_ours(view))

    def note_drawn(self, view: View, *, monitoring: bool) -> None:
        """A view was drawn."""
        self._monitoring[id(view)] = monitoring or self._monitoring.get(id(view), False)

    def warn_once(self, text: str, *, about: str) -> None:
        """Warns the user once about something."""
        if about not in self._warned:
            self._warned.add(about)
            warn(text)

    def close(self) -> None:
        """Waits until everything is written and ends the thread that writes."""
        self.ranks.close()
        self.outlet.close()


def _layers_of(model: nn.Module) -> _Layers:
    """What tells whether the layers are those of before: others may have come in their place, or channels gone."""
    return tuple(
        (name, type(module), ref(module), tuple(one.shape for one in module._parameters.values() if _has_shape(one)))
        for name, module in model.named_modules()
    )


def _has_shape(parameter: nn.Parameter | None) -> bool:
    return parameter is not None and not is_lazy(parameter)
