"""The automatic alarm: which numbers rose as they do not rise in an undisturbed training.

Every number is compared with its own last looks, on a logarithmic scale, and the rise is measured in units of what
undisturbed trainings do now and then. One threshold for the largest of them is the whole rule.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

SAMPLES_LOSS, TRAINING_LOSS, LEARNING_RATE = "samples/loss", "training loss", "learning rate"
"""What the rule goes by beside the numbers of drift."""

KEPT = 6
"""So many looks are remembered of each number."""

_LOOKS = 4  # a number is compared with the largest of so many
_RECENT = 2  # training losses fall steadily, and are compared with fewer
_FALLING = 0.95  # while the loss of the samples falls below this share of the last one, what moves is learning
_LARGEST_LOSS = 50.0
_RENEWED_FROM, _RENEWED_UNIT = 0.3, 0.12  # after the first epochs filters change by less than half of their length


@dataclass(frozen=True)
class _Family:
    """How a kind of number rises.

    Attributes:
        floor: added before the logarithm, so that a rise from nothing to little counts little.
        unit: a rise that about one of 200 undisturbed looks exceeds.
        by_rate: the share of a rise of the learning rate that the number follows.
    """

    floor: float
    unit: float
    by_rate: float = 0.5


_FAMILIES = {
    "features": _Family(0.003, 0.75),
    "filters": _Family(0.005, 0.6, by_rate=1.0),
    "grad_cam": _Family(0.02, 0.6),
    "hirescam": _Family(0.02, 0.6),
    "saliency": _Family(0.02, 0.25),
    "grad_cam_focus_shift": _Family(0.01, 0.55),
    "hirescam_focus_shift": _Family(0.01, 0.55),
    "saliency_focus_shift": _Family(0.01, 0.3),
    "predictions": _Family(0.01, 0.6),
}
_OF_SAMPLES = _Family(0.05, 0.12)
_OF_TRAINING = _Family(0.05, 0.05, by_rate=0.15)
_FALL_OF_TRAINING = _Family(0.1, 0.05)


@dataclass(frozen=True)
class Rise:
    """A number that rose.

    Attributes:
        tag: of the number.
        value: what it is now.
        size: the rise in units of its family.
        usual: what it would be at a rise of no size.
        floor: of its family.
        unit: of its family; 0 where the rise is measured in the number itself.
        step: by how much one unit raises the number, where it is measured in the number itself.
        layer: the layer whose weights changed, None if the number does not tell.
        remark: what to say instead of a limit.
    """

    tag: str
    value: float
    size: float
    usual: float
    floor: float = 0.0
    unit: float = 0.0
    step: float = 0.0
    layer: str | None = None
    remark: str = ""

    def limit(self, threshold: float) -> float:
        """The value above which the rise is larger than a threshold."""
        return (self.usual + self.floor) * math.exp(self.unit * threshold) - self.floor + self.step * threshold


def rises(past: Mapping[str, Sequence[float]], now: Mapping[str, float]) -> list[Rise]:
    """How far the numbers of a look rose above those of the looks before, the largest rise first.

    Args:
        past: by tag, the last looks, the latest last: drift against one reference under its tags, and what else the
            rule goes by under :data:`SAMPLES_LOSS`, :data:`TRAINING_LOSS` and :data:`LEARNING_RATE`, if there is any.
        now: the same of this look.
    """
    faster = _log_rise(past, now, LEARNING_RATE, _LOOKS)
    found = [*_of_losses(past, now), *_of_filters(past, now)]
    if not _falls(past, now):
        found += _of_families(past, now, max(0.0, faster))
        found += _of_sudden_fall(past, now)
    return sorted(found, key=lambda rise: -rise.size)


def _of_families(past: Mapping[str, Sequence[float]], now: Mapping[str, float], faster: float) -> Iterator[Rise]:
    for tag, value in now.items():
        family = _FAMILIES.get(_name(tag))
        before = past.get(tag, ())[-_LOOKS:]
        # What was exactly 0 was frozen: that it moves now is somebody's decision.
        if family is not None and before and max(before) > 0:
            usual = (max(before) + family.floor) * math.exp(family.by_rate * faster) - family.floor
            yield _rise(tag, value, usual, family)


def _of_losses(past: Mapping[str, Sequence[float]], now: Mapping[str, float]) -> Iterator[Rise]:
    before = past.get(SAMPLES_LOSS, ())[-_LOOKS:]
    if before and SAMPLES_LOSS in now:
        yield _rise(SAMPLES_LOSS, now[SAMPLES_LOSS], max(before), _OF_SAMPLES)
    before = past.get(TRAINING_LOSS, ())[-_RECENT:]
    if before and TRAINING_LOSS in now and min(*before, now[TRAINING_LOSS]) > 0:
        faster = min(1.5, max(0.0, _log_rise(past, now, LEARNING_RATE, _RECENT)))
        usual = (max(before) + _OF_TRAINING.floor) * math.exp(_OF_TRAINING.by_rate * faster) - _OF_TRAINING.floor
        yield _rise(TRAINING_LOSS, now[TRAINING_LOSS], usual, _OF_TRAINING)


def _of_sudden_fall(past: Mapping[str, Sequence[float]], now: Mapping[str, float]) -> Iterator[Rise]:
    """The training became easier at once, which the samples do not confirm: they are silent while theirs falls."""
    losses = [*past.get(TRAINING_LOSS, ()), *([now[TRAINING_LOSS]] if TRAINING_LOSS in now else [])]
    if SAMPLES_LOSS not in now or len(losses) < KEPT or min(losses) <= 0:
        return
    levels = [_finite(loss) + _FALL_OF_TRAINING.floor for loss in losses]
    falls = [math.log(before / after) for before, after in pairwise(levels)]
    size = (falls[-1] - max(falls[-1 - _LOOKS : -1])) / _FALL_OF_TRAINING.unit
    usual = math.exp(max(falls[-1 - _LOOKS : -1]))
    yield Rise("fall of the training loss", math.exp(falls[-1]), size, usual, 0.0, _FALL_OF_TRAINING.unit)


def _of_filters(past: Mapping[str, Sequence[float]], now: Mapping[str, float]) -> Iterator[Rise]:
    """Layers that start anew, or that stand still all at once."""
    for tag, value in now.items():
        before = past.get(tag, ())[-_LOOKS:]
        if _name(tag) != "filters" or not before or max(before) == 0:
            continue
        layer = tag.split("/")[2]
        usual = max(_RENEWED_FROM, *before)
        yield Rise(tag, value, (value - usual) / _RENEWED_UNIT, usual, step=_RENEWED_UNIT, layer=layer)
        if value == 0 and min(before) > 0:
            yield Rise(tag, value, math.inf, 0.0, layer=layer, remark="it stands still")


def _rise(tag: str, value: float, usual: float, family: _Family) -> Rise:
    size = math.log((_finite(value) + family.floor) / (_finite(usual) + family.floor)) / family.unit
    return Rise(tag, value, size, usual, family.floor, family.unit, layer=_layer(tag))


def _layer(tag: str) -> str | None:
    return tag.split("/")[2] if _name(tag) == "filters" else None


def _name(tag: str) -> str:
    parts = tag.split("/")
    return parts[1] if parts[0] == "drift_layers" else ""


def _falls(past: Mapping[str, Sequence[float]], now: Mapping[str, float]) -> bool:
    """Whether the samples' loss falls; where they have no labels, the training loss."""
    for tag in (SAMPLES_LOSS, TRAINING_LOSS):
        if tag in now and past.get(tag):
            return now[tag] < _FALLING * past[tag][-1]
    return False


def _log_rise(past: Mapping[str, Sequence[float]], now: Mapping[str, float], tag: str, looks: int) -> float:
    before = past.get(tag, ())[-looks:]
    if tag not in now or not before or max(before) <= 0 or now[tag] <= 0:
        return 0.0
    return math.log(now[tag] / max(before))


def _finite(value: float) -> float:
    """A loss that is not finite is a large one."""
    return min(value, _LARGEST_LOSS) if math.isfinite(value) else _LARGEST_LOSS
