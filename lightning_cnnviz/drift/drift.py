"""How far the model moved, as numbers that can be monitored."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, TypeAlias, get_args

from torch import nn

from lightning_cnnviz.drift.alarm_report import make_alarm, report
from lightning_cnnviz.drift.alarms import AlarmAction, AlarmMonitor, AlarmRule
from lightning_cnnviz.drift.numbers import FEWEST_SAMPLES
from lightning_cnnviz.drift.signs import Sign, signs
from lightning_cnnviz.drift.snapshots import MapKind, Movement, Scope, Snapshot, movements, take
from lightning_cnnviz.model.checkpoints import check_weights, read_weights
from lightning_cnnviz.model.evidence import Evidence, Request
from lightning_cnnviz.model.layers import KEYWORDS, LayerSpec, Layout, check_names
from lightning_cnnviz.output.artifacts import Artifact, Scalar
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View, one_of, positive

Reference: TypeAlias = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
"""``"previous"``, ``"first"``, the path of a checkpoint, or several of them."""

_MOST_FILTERS = 16


class Drift(View):
    """How far layers, maps, predictions and filters moved since an earlier look, and signs of ill health.

    All numbers are from 0 to 1 with 0 for nothing moved, except ``filters``, which may pass 1. Every number has a tag
    of its own; the mean of each family over the layers, against the first reference, is logged through Lightning under
    the short tag, for ``ModelCheckpoint(monitor="drift/grad_cam")``. At a look that has nothing to compare with, the
    short tags are 0.

    ============================================  =====================================================================
    ``drift/features/<layer>/<reference>``        1 - debiased linear CKA of the activations, pooled to 7 by 7
    ``drift/filters/<layer>/<reference>``         length of the change of the weights over the length of the reference
    ``drift/<map>/<layer>/<reference>``           mean Jensen-Shannon distance of the samples' maps at unit mass
    ``…/focus_shift``                             mean distance of the maps' centres, as a fraction of the diagonal
    ``drift/predictions/<reference>``             mean Jensen-Shannon distance of the class probabilities
    ``drift/flips/<reference>``                   share of the samples whose class changed
    ``health/dead_channels/<layer>``              share of channels that say the same everywhere
    ``health/saturation/<layer>``                 share of outputs at an end of the layer's range
    ``health/duplicate_filters/<layer>``          share of filters that an earlier filter already is
    ``shortcuts/<map>/<layer>/border``            share of the maps' mass on the image border
    ``…/entropy``, ``…/spread``                   entropy of the maps; spread of their centres over the samples
    ``…/attention_in_region``                     share of the maps' mass inside ``FixedSamples(regions=…)``
    ============================================  =====================================================================

    When it misleads: CKA of few samples is noisy (see ``docs/drift.md``); a map of a sample that flips explains another
    class and moves for that reason; batch normalisation keeps moving its statistics at a learning rate of 0.

    Args:
        layers: whose activations are compared; ``"auto"`` is the last layer at each spatial size. Filters are those of
            the convolutions in the layers named, or for keywords of all, evenly thinned out to 16.
        reference: one or several of ``"previous"`` (the last look), ``"first"`` (the first look, before training unless
            ``log_untrained=False``) and paths of checkpoints of the same model, whose tags bear the file's stem.
        maps: which of ``"grad_cam"``, ``"hirescam"`` (both at the last layer of the spatial size of the last
            convolution) and ``"saliency"`` are compared. Grad-CAM is blind to places where a linear layer on flattened
            maps follows; HiResCAM is not.
        alarm: tags with limits, or ``"auto"``: limits learnt from the run itself, for the first reference, see
            :class:`~lightning_cnnviz.drift.alarms.AlarmMonitor`.
        on_alarm: called with each :class:`~lightning_cnnviz.drift.alarms.Alarm`.
        warm_up: looks with a reference that raise no alarm.
        samples: how many samples are compared, from the first; at least 4.
        every_n_epochs: look in every n-th epoch in which the callback looks; monitored numbers only change then.

    Raises:
        TypeError: ``alarm`` is neither a mapping nor ``"auto"``.
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        layers: LayerSpec = "auto",
        reference: Reference = ("previous", "first"),
        *,
        maps: Sequence[MapKind] = ("grad_cam", "saliency"),
        alarm: AlarmRule = None,
        on_alarm: AlarmAction | None = None,
        warm_up: int = 5,
        samples: int = 64,
        every_n_epochs: int = 1,
    ) -> None:
        super().__init__(every_n_epochs=every_n_epochs)
        for kind in maps:
            one_of("maps", kind, get_args(MapKind))
        self.layers = layers
        references = _references(reference)
        self.reference = tuple(references)
        self.maps = tuple(maps)
        self.alarm = alarm
        self.samples = positive("samples", samples)
        if samples < FEWEST_SAMPLES:
            raise ValueError(f"samples must be at least {FEWEST_SAMPLES}, got {samples}")
        self._checkpoints = {name: path for name, path in references.items() if path is not None}
        self._on_alarm = on_alarm
        self._monitor = AlarmMonitor(alarm, positive("warm_up", warm_up))
        self._snapshots: dict[str, Snapshot] = {}
        self._epochs: dict[str, int | None] = {}

    @property
    def monitors(self) -> bool:
        return True

    def check(self, model: nn.Module) -> None:
        check_names(model, self.layers)
        for path in self._checkpoints.values():
            check_weights(model, read_weights(path), path)

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        if len(samples) < FEWEST_SAMPLES:
            raise ValueError(f"drift needs at least {FEWEST_SAMPLES} samples, got {len(samples)}")
        scope = self._scope(layout)
        return Request(
            activations=frozenset(scope.features),
            gradients=frozenset(scope.attention),
            input_gradient="saliency" in self.maps,
            weights=frozenset(scope.filters),
            reference_checkpoints=frozenset(
                path for name, path in self._checkpoints.items() if name not in self._snapshots
            ),
        )

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        scope = self._scope(evidence.layout)
        now = take(evidence, scope)
        for name, path in self._checkpoints.items():
            if name not in self._snapshots:
                self._snapshots[name] = take(evidence.reference(path), scope)
        moved = {
            name: list(movements(now, self._snapshots[name])) for name in self.reference if name in self._snapshots
        }
        seen = signs(evidence, scope)
        numbers = {one.tag(name): one.value for name, all_of_it in moved.items() for one in all_of_it}
        numbers |= {sign.tag: sign.value for sign in seen}
        # Callbacks that monitor a number want it at every look: what has no reference yet is compared with itself.
        means = _means([*moved.get(self.reference[0], movements(now, now)), *seen])
        yield from (Scalar(tag, value) for tag, value in numbers.items())
        yield from (Scalar(tag, value, monitored=True) for tag, value in means.items())
        if self.reference[0] in moved:
            yield from self._alarms(evidence, now, moved[self.reference[0]], numbers | means)
        self._remember(now, evidence.epoch)

    def state_dict(self) -> dict[str, Any]:
        return {
            "snapshots": {name: snapshot.state_dict() for name, snapshot in self._snapshots.items()},
            "watch": self._monitor.state_dict(),
            "epochs": dict(self._epochs),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._snapshots = {name: Snapshot(**snapshot) for name, snapshot in state["snapshots"].items()}
        self._monitor.load_state_dict(state["watch"])
        self._epochs = dict(state["epochs"])

    def _scope(self, layout: Layout) -> Scope:
        return Scope(
            features=layout.maps(self.layers),
            filters=_filters(layout, self.layers),
            attention=layout.maps("last") if {"grad_cam", "hirescam"} & set(self.maps) else (),
            maps=self.maps,
            samples=self.samples,
        )

    def _alarms(
        self, evidence: Evidence, now: Snapshot, moved: Sequence[Movement], numbers: Mapping[str, float]
    ) -> Iterator[Artifact]:
        reference = self.reference[0]
        exceeded = self._monitor.check(numbers, [one.tag(reference) for one in moved])
        if not exceeded:
            return
        alarm = make_alarm(evidence.epoch, exceeded, moved, reference)
        before, earlier = self._snapshots[reference], self._epochs.get(reference)
        yield from report(alarm, evidence, before, now, moved, earlier_epoch=earlier)
        if self._on_alarm is not None:
            self._on_alarm(alarm)

    def _remember(self, now: Snapshot, epoch: int | None) -> None:
        for name in {"previous", "first"} & set(self.reference):
            if name == "previous" or name not in self._snapshots:
                self._snapshots[name], self._epochs[name] = now, epoch


def _references(given: Reference) -> dict[str, str | None]:
    """The name in the tags, and the path of a checkpoint."""
    entries = [given] if isinstance(given, (str, os.PathLike)) else list(given)
    if not entries:
        raise ValueError("reference must name at least one of 'previous', 'first' and paths of checkpoints, got none")
    references: dict[str, str | None] = {}
    for entry in entries:
        is_path = entry not in ("previous", "first")
        name = Path(entry).stem if is_path else str(entry)
        if name in references:
            raise ValueError(f"reference must have different names, got {name!r} twice")
        references[name] = os.fspath(entry) if is_path else None
    return references


def _filters(layout: Layout, spec: LayerSpec) -> tuple[str, ...]:
    entries = (spec,) if isinstance(spec, str) else tuple(spec)
    every = layout.convolutions("all")
    if any(entry in KEYWORDS for entry in entries):
        step = max(1, (len(every) - 1) / (_MOST_FILTERS - 1))
        return tuple(every[int(index * step)] for index in range(min(len(every), _MOST_FILTERS)))
    named = layout.maps(spec)
    return tuple(name for name in every if any(name == layer or name.startswith(f"{layer}.") for layer in named))


def _means(numbers: Iterable[Movement | Sign]) -> dict[str, float]:
    families: dict[str, list[float]] = {}
    for number in numbers:
        families.setdefault(number.short_tag, []).append(number.value)
    return {tag: fmean(values) for tag, values in families.items()}
