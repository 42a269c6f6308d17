"""How far the model moved, as numbers that can be monitored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, get_args

from torch import nn

from lightning_cnnviz.arguments import flag, function, layer_names, one_of, positive, sequence
from lightning_cnnviz.drift.alarm_report import make_alarm, report
from lightning_cnnviz.drift.alarms import AlarmAction, AlarmMonitor, AlarmRule
from lightning_cnnviz.drift.copies import asking, copies_of, flipped_copies, flips_of_copies
from lightning_cnnviz.drift.distances import FEWEST_SAMPLES
from lightning_cnnviz.drift.losses import losses_of, signals_of
from lightning_cnnviz.drift.measurement import Measurement, means
from lightning_cnnviz.drift.movements import moved_most, movements
from lightning_cnnviz.drift.references import Reference, References
from lightning_cnnviz.drift.rule import SAMPLES_LOSS
from lightning_cnnviz.drift.scope import DEFAULT_SAMPLES, MOST_SAMPLES, MapKind, Scope, filters
from lightning_cnnviz.drift.signs import signs
from lightning_cnnviz.drift.snapshots import Snapshot, take
from lightning_cnnviz.drift.tags import check_limits, copies_with_limits, tags
from lightning_cnnviz.model.evidence import Evidence, Request
from lightning_cnnviz.model.layers.layout import LayerSpec, Layout, check_names, named_layers
from lightning_cnnviz.output.artifacts import Artifact, Note, Scalar
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View

_ENOUGH_SAMPLES = 16
_WARM_UP, _WARM_UP_OF_BASELINE = 5, 2


class Drift(View):
    """How far layers, maps, predictions and filters moved since an earlier look, and signs of ill health.

    All numbers are from 0 to 1 with 0 for nothing moved, except ``filters``, which may pass 1. The mean of each over
    the layers, against the first reference, is logged through Lightning under the tags below, for
    ``ModelCheckpoint(monitor="drift/grad_cam")``; the note ``drift_moved_most`` names the layers that moved most. The
    number of each layer, ``drift_layers/<name>/<layer>/<reference>``, ``health_layers/<name>/<layer>`` and
    ``shortcuts_layers/<name>/<layer>``, is kept with the look, for the page, ``explain()`` and ``compare()``, and
    written to the loggers with ``details=True``. At a look that has nothing to compare with, the monitored numbers of
    drift are 0.

    ======================================  ===========================================================================
    ``drift/features``                      1 - debiased linear CKA of the activations, pooled to 7 by 7
    ``drift/filters``                       length of the change of the weights over the length of the reference, of
                                            convolutions and linear layers
    ``drift/<map>``                         mean Jensen-Shannon distance of the samples' maps at unit mass
    ``drift/<map>_focus_shift``             mean distance of the maps' centres, as a fraction of the diagonal
    ``drift/predictions``                   mean Jensen-Shannon distance of the class probabilities
    ``drift/flips``                         share of the samples whose class changed
    ``health/dead_channels``                share of channels with constant output
    ``health/saturation``                   share of outputs at an end of the layer's range
    ``health/duplicate_filters``            share of filters that an earlier filter already is
    ``shortcuts/<map>_border``              share of the maps' mass on the image border
    ``shortcuts/<map>_entropy``             entropy of the maps
    ``shortcuts/<map>_spread``              spread of the maps' centres over the samples
    ``shortcuts/<map>_attention_in_region``  share of the maps' mass inside ``FixedSamples(regions=…)``
    ``shortcuts/flips_<copy>``              share of the samples whose class is another one in a changed copy, see
                                            ``FixedSamples(perturbed=…)``; the picture ``flipped_copies`` has some
    ======================================  ===========================================================================

    How to read it: what falls towards 0 comes to rest, and what rises again after that was disturbed. Compare a
    number with its own past, not with another number.

    When it misleads: CKA of few samples is noisy (see ``docs/drift.md``); a map of a sample that flips explains another
    class and moves for that reason; batch normalisation keeps moving its statistics at a learning rate of 0.

    Args:
        layers: whose activations are compared; ``"auto"`` is the last layer at each spatial size. Filters are the
            weights of the convolutions and linear layers in the layers named, or for keywords of all, evenly thinned
            out to 16.
        reference: one or several of ``"previous"`` (the last look), ``"first"`` (the first look, before training unless
            ``log_untrained=False``) and paths of checkpoints of the same model, whose tags bear the file's stem.
        maps: which of ``"grad_cam"``, ``"hirescam"`` (both at the last layer of the spatial size of the last
            convolution) and ``"saliency"`` are compared. Grad-CAM is blind to places where a linear layer on flattened
            maps follows; HiResCAM is not.
        alarm: ``"auto"``: rises since the last looks that undisturbed trainings do not show, of the drift since the
            previous look (or the first reference where that is none), of the samples' loss and of the training loss,
            see :mod:`~lightning_cnnviz.drift.rule`; tags with limits of your own; or None for no alarms.
        on_alarm: called with each :class:`~lightning_cnnviz.drift.alarms.Alarm`.
        false_alarms: for ``alarm="auto"``, the share of looks of an undisturbed training that may alarm, from 0.003 to
            0.1.
        warm_up: looks with a reference that raise no alarm; None: 5, or 2 where the reference is a checkpoint.
        samples: how many samples are compared, from the first, and taken from the batches; at least 8, below 16 with a
            remark. None: 32, or up to 256 where all of them take no more than 8 MB.
        details: whether the number of each layer is written to the loggers, too.
        every_n_epochs: look in every n-th epoch in which the callback looks; monitored numbers only change then.

    Raises:
        TypeError: ``alarm`` is neither a mapping nor ``"auto"`` nor None, or ``on_alarm`` cannot be called.
        ValueError: an argument is out of its range.
    """

    chapter = "change"

    def __init__(
        self,
        layers: LayerSpec = "auto",
        reference: Reference = ("previous", "first"),
        *,
        maps: Sequence[MapKind] = ("grad_cam", "saliency"),
        alarm: AlarmRule = "auto",
        on_alarm: AlarmAction | None = None,
        false_alarms: float = 0.01,
        warm_up: int | None = None,
        samples: int | None = None,
        details: bool = False,
        every_n_epochs: int = 1,
    ) -> None:
        super().__init__(every_n_epochs=every_n_epochs)
        kinds = sequence("maps", maps, "a sequence of kinds of maps", may_be_empty=True)
        for kind in kinds:
            one_of("maps", kind, get_args(MapKind))
        self.layers = layer_names("layers", layers)
        self._references = References(reference)
        self.reference = self._references.names
        self.maps: tuple[MapKind, ...] = tuple(kinds)
        self.alarm = alarm
        self.samples = None if samples is None else positive("samples", samples)
        self.details = flag("details", details)
        if self.samples is not None and self.samples < FEWEST_SAMPLES:
            raise ValueError(f"samples must be at least {FEWEST_SAMPLES}, got {samples}")
        if on_alarm is not None:
            function("on_alarm", on_alarm, "a function that takes the alarm")
        self._most = self.samples or MOST_SAMPLES
        self._on_alarm = on_alarm
        self.false_alarms = false_alarms
        if warm_up is None:
            of_baseline = self._references.watched in self._references.checkpoints
            warm_up = _WARM_UP_OF_BASELINE if of_baseline else _WARM_UP
        self._monitor = AlarmMonitor(alarm, positive("warm_up", warm_up), false_alarms)
        self._to_remark: list[str] = []
        self._looked = False

    @property
    def monitored_tags(self) -> tuple[str, ...]:
        every = tags(Scope(("…",), ("…",), ("…",), self.maps), self.reference)
        return tuple(sorted(tag for tag in every if tag.partition("/")[0] in ("drift", "health", "shortcuts")))

    @property
    def remembers_samples(self) -> bool:
        return True

    @property
    def wanted_samples(self) -> int:
        return self.samples or DEFAULT_SAMPLES

    @property
    def most_samples(self) -> int:
        return self._most

    def check(self, model: nn.Module) -> None:
        check_names(model, self.layers)
        self._references.check(model)
        names = tuple(named_layers(model))
        # Which copies there are shows when there are samples.
        scope = Scope(names, names, names, self.maps, copies=copies_with_limits(self.alarm))
        check_limits(self.alarm, scope, self.reference)

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        if len(samples) < FEWEST_SAMPLES:
            raise ValueError(f"drift needs at least {FEWEST_SAMPLES} samples, got {len(samples)}")
        scope = self._scope(layout, samples)
        check_limits(self.alarm, scope, self.reference)
        self._to_remark += self._references.forget_others(min(len(samples), self._most), layout.classes)
        return Request(
            activations=frozenset(scope.features),
            gradients=frozenset(scope.attention),
            input_gradient="saliency" in scope.maps,
            weights=frozenset(scope.filters),
            procedures=asking(samples, scope.copies, scope.samples),
            reference_checkpoints=frozenset(self._references.unread().values()),
        )

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        scope = self._scope(evidence.layout, evidence.samples)
        now = take(evidence, scope)
        moved = self._references.moved(now, evidence, scope)
        copies = flips_of_copies(evidence, scope.copies)
        seen = [*signs(evidence, scope), *copies]
        numbers = {one.tag: one.value for one in (*chain(*moved.values()), *seen)}
        # Callbacks that monitor a number want it at every look: what has no reference yet is compared with itself.
        monitored = means([*moved.get(self.reference[0], movements(now, now)), *seen])
        yield from (Scalar(tag, value, detail=not self.details) for tag, value in numbers.items())
        yield from (Scalar(tag, value, monitored=True) for tag, value in monitored.items())
        if any(moved.values()):
            yield moved_most(list(chain(*moved.values())))
        yield from flipped_copies(evidence, scope.copies)
        yield from self._alarms(evidence, now, moved.get(self._references.watched), copies, numbers | monitored)
        yield from self._remarks(len(now.classes))
        self._references.remember(now, evidence.epoch)
        self._looked = True

    def state_dict(self) -> dict[str, Any]:
        return {**self._references.state_dict(), "watch": self._monitor.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._references.load_state_dict(state)
        self._monitor.load_state_dict(state["watch"])

    def _scope(self, layout: Layout, samples: FixedSamples) -> Scope:
        maps = () if layout.reading.reason else self.maps  # without a score there is no place that it depends on
        return Scope(
            features=layout.maps(self.layers),
            filters=filters(layout, self.layers),
            attention=layout.maps("last") if {"grad_cam", "hirescam"} & set(maps) else (),
            maps=maps,
            samples=self._most,
            copies=copies_of(samples, layout),
        )

    def _alarms(
        self,
        evidence: Evidence,
        now: Snapshot,
        moved: Sequence[Measurement] | None,
        copies: Sequence[Measurement],
        numbers: Mapping[str, float],
    ) -> Iterator[Artifact]:
        losses = losses_of(evidence, now)
        signals = signals_of(evidence, losses)
        if SAMPLES_LOSS in signals:
            yield Scalar(SAMPLES_LOSS, signals[SAMPLES_LOSS])
        if moved is None:
            self._monitor.remember(signals)
            return
        exceeded = self._monitor.check(
            {**numbers, **signals}, signals | {one.tag: one.value for one in moved}, len(now.classes)
        )
        if not exceeded:
            return
        watched = self._references.watched
        before, earlier = self._references.snapshots[watched], self._references.epochs.get(watched)
        losses_before = losses_of(evidence, before)
        risen = None if losses is None or losses_before is None else losses - losses_before
        alarm = make_alarm(evidence.epoch, exceeded, [*moved, *copies], risen, now.kernels)
        yield from report(alarm, evidence, before, now, moved, earlier_epoch=earlier)
        if self._on_alarm is not None:
            self._on_alarm(alarm)

    def _remarks(self, samples: int) -> Iterator[Note]:
        remarks, self._to_remark = self._to_remark, []
        if samples < _ENOUGH_SAMPLES and not self._looked:
            remarks.append(f"drift of {samples} samples is noisy: give at least {_ENOUGH_SAMPLES}")
        if remarks:
            yield Note("drift_remarks", "\n\n".join(remarks), tuple(remarks))
