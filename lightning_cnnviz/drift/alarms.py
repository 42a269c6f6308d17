"""When a number deserves a look: limits that the user sets, or limits learnt from the run's own history."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal, TypeAlias

from lightning_cnnviz.render import format_number

AlarmRule: TypeAlias = Mapping[str, float] | Literal["auto"] | None
"""Tags with their limits, ``"auto"``, or no alarms."""

_HISTORY = 12  # looks that a learnt limit goes by
_SIGMAS = 6.0
_MAD_TO_SIGMA = 1.4826  # for normally distributed values
_SMALLEST_SIGMA = 0.02  # what drift numbers scatter by on a few dozen samples
_RELATIVE_SIGMA = 0.15


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A number above its limit."""

    tag: str
    value: float
    limit: float


@dataclass(frozen=True, slots=True)
class Alarm:
    """Why the user was called, handed to ``on_alarm``.

    Attributes:
        epoch: as the Trainer counts, from 0; None outside a Trainer.
        exceeded: the numbers above their limits, the one furthest above first.
        samples: indices of the samples that moved most.
    """

    epoch: int | None
    exceeded: tuple[Exceeded, ...]
    samples: tuple[int, ...]

    @property
    def sentence(self) -> str:
        """One line for the console."""
        worst, more = self.exceeded[0], len(self.exceeded) - 1
        when = "now" if self.epoch is None else f"epoch {self.epoch}"
        others = f", and {more} more" if more else ""
        which = f"; most in samples {', '.join(map(str, self.samples))}" if self.samples else ""
        return (
            f"drift alarm in {when}: {worst.tag} is {format_number(worst.value)}, "
            f"limit {format_number(worst.limit)}{others}{which}"
        )


AlarmAction: TypeAlias = Callable[[Alarm], object]


class AlarmMonitor:
    """Compares numbers with their limits, look after look.

    A learnt limit is the median of the last 12 looks plus 6 robust standard deviations (1.4826 times the median
    absolute deviation, at least 0.02 and at least 15% of the median). Only rises alarm.

    Args:
        rule: tags with their limits, ``"auto"``, or None.
        warm_up: how many looks raise no alarm, because early in training everything moves.

    Raises:
        TypeError: the rule is none of these.
        ValueError: a limit is not a finite number.
    """

    def __init__(self, rule: AlarmRule, warm_up: int) -> None:
        _check_rule(rule)
        self._rule = rule
        self._warm_up = warm_up
        self._looks = 0
        self._history: dict[str, list[float]] = {}

    def check(self, values: Mapping[str, float], learnable: Sequence[str]) -> list[Exceeded]:
        """The numbers above their limits at this look, the one furthest above first.

        Args:
            values: all numbers of the look by tag.
            learnable: the tags to which ``"auto"`` applies.

        Raises:
            ValueError: the rule names a tag that does not exist.
        """
        self._looks += 1
        limits = self._limits(values, learnable)
        if self._rule == "auto":
            self._remember({tag: values[tag] for tag in learnable})
        if self._looks <= self._warm_up:
            return []
        above = [Exceeded(tag, values[tag], limit) for tag, limit in limits.items() if values[tag] > limit]
        return sorted(above, key=lambda one: one.limit - one.value)

    def state_dict(self) -> dict[str, Any]:
        """The history, as primitives."""
        return {"looks": self._looks, "history": {tag: list(values) for tag, values in self._history.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes up what :meth:`state_dict` gave."""
        self._looks = state["looks"]
        self._history = {tag: list(values) for tag, values in state["history"].items()}

    def _limits(self, values: Mapping[str, float], learnable: Sequence[str]) -> Mapping[str, float]:
        if self._rule is None:
            return {}
        if isinstance(self._rule, str):
            return {tag: learnt_limit(self._history[tag]) for tag in learnable if tag in self._history}
        unknown = sorted(self._rule.keys() - values.keys())
        if unknown:
            raise ValueError(f"alarm names {unknown}, the numbers are {sorted(values)}")
        return self._rule

    def _remember(self, values: Mapping[str, float]) -> None:
        for tag, value in values.items():
            self._history[tag] = [*self._history.get(tag, []), value][-_HISTORY:]


def learnt_limit(history: Sequence[float]) -> float:
    """Median plus six robust standard deviations of a history.

    >>> round(learnt_limit([0.1, 0.1, 0.2, 0.1, 0.1]), 2)
    0.22
    """
    middle = median(history)
    deviation = _MAD_TO_SIGMA * median(abs(value - middle) for value in history)
    return middle + _SIGMAS * max(deviation, _SMALLEST_SIGMA, _RELATIVE_SIGMA * middle)


def _check_rule(rule: object) -> None:
    if rule is None or rule == "auto":
        return
    if not isinstance(rule, Mapping):
        raise TypeError(f"alarm must be a mapping from tags to limits, 'auto' or None, got {rule!r}")
    for tag, limit in rule.items():
        if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not math.isfinite(limit):
            raise ValueError(f"alarm[{tag!r}] must be a finite number, got {limit!r}")
