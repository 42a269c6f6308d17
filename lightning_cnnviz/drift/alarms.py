"""When a number deserves a look: limits that the user sets, or a rise that undisturbed trainings do not show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from lightning_cnnviz.arguments import instance, number, text
from lightning_cnnviz.drift.rule import KEPT, Rise, rises
from lightning_cnnviz.drift.thresholds import FALSE_ALARMS, threshold
from lightning_cnnviz.render import format_number

AlarmRule: TypeAlias = Mapping[str, float] | Literal["auto"] | None
"""Tags with their limits, ``"auto"``, or no alarms."""


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A number above its limit.

    Attributes:
        tag: of the number.
        value: what it is.
        limit: above which it alarms.
        layer: the layer whose weights are concerned, None if the number does not tell.
        remark: what to say instead of the limit, where there is none.
    """

    tag: str
    value: float
    limit: float
    layer: str | None = None
    remark: str = ""

    def __str__(self) -> str:
        reason = self.remark or f"limit {format_number(self.limit)}"
        return f"{self.tag} is {format_number(self.value)}, {reason}"


@dataclass(frozen=True, slots=True)
class Alarm:
    """Why the user was called, handed to ``on_alarm``.

    Attributes:
        epoch: as the Trainer counts, from 0; None outside a Trainer.
        exceeded: the numbers above their limits, those of a layer's weights first, then the one furthest above.
        samples: indices of the samples that moved most in what alarmed; none where that tells no samples apart.
    """

    epoch: int | None
    exceeded: tuple[Exceeded, ...]
    samples: tuple[int, ...]

    @property
    def layer(self) -> str | None:
        """The layer whose weights alarmed, if any did."""
        return self.exceeded[0].layer

    @property
    def sentence(self) -> str:
        """One line for the console."""
        more = len(self.exceeded) - 1
        when = "now" if self.epoch is None else f"epoch {self.epoch}"
        others = f", and {more} more" if more else ""
        which = f"; most in samples {', '.join(map(str, self.samples))}" if self.samples else ""
        return f"drift alarm in {when}: {self.exceeded[0]}{others}{which}"


AlarmAction: TypeAlias = Callable[[Alarm], object]


class AlarmMonitor:
    """Compares numbers with their limits, look after look.

    Args:
        rule: tags with their limits, ``"auto"``, or None.
        warm_up: how many looks raise no alarm, because early in training everything moves.
        false_alarms: for ``"auto"``, the share of looks of an undisturbed training that may alarm.

    Raises:
        TypeError: the rule is none of these.
        ValueError: a limit is not a finite number, or the share is out of its range.
    """

    def __init__(self, rule: AlarmRule, warm_up: int, false_alarms: float = 0.01) -> None:
        _check_rule(rule)
        number("false_alarms", false_alarms, least=FALSE_ALARMS[0], most=FALSE_ALARMS[-1])
        self._rule = rule
        self._warm_up = warm_up
        self._false_alarms = false_alarms
        self._looks = 0
        self._past: dict[str, list[float]] = {}

    def check(self, numbers: Mapping[str, float], signals: Mapping[str, float], samples: int) -> list[Exceeded]:
        """What is above its limit at this look: numbers of a layer's weights first, then the one furthest above.

        Args:
            numbers: all numbers of the look by tag, for limits that the user set.
            signals: what ``"auto"`` goes by, see :func:`~lightning_cnnviz.drift.rule.rises`.
            samples: how many samples are compared.
        """
        self._looks += 1
        if self._rule != "auto":
            exceeded = self._above(numbers)
        else:
            limit = threshold(samples, self._false_alarms)
            exceeded = _exceeded([rise for rise in rises(self._past, signals) if rise.size > limit], limit)
            self.remember(signals)
        return [] if self._looks <= self._warm_up else exceeded

    def remember(self, signals: Mapping[str, float]) -> None:
        """Takes down what later looks are compared with."""
        for tag, value in signals.items():
            self._past[tag] = [*self._past.get(tag, []), value][-KEPT:]

    def state_dict(self) -> dict[str, Any]:
        """The history, as primitives."""
        return {"looks": self._looks, "past": {tag: list(values) for tag, values in self._past.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes up what :meth:`state_dict` gave."""
        self._looks = state["looks"]
        self._past = {tag: list(values) for tag, values in state.get("past", {}).items()}

    def _above(self, numbers: Mapping[str, float]) -> list[Exceeded]:
        limits = self._rule if isinstance(self._rule, Mapping) else {}
        above = [Exceeded(tag, numbers[tag], limit) for tag, limit in limits.items() if numbers.get(tag, 0.0) > limit]
        return sorted(above, key=lambda one: one.limit - one.value)


def _exceeded(found: list[Rise], limit: float) -> list[Exceeded]:
    """The rises by tag, those that name a layer first."""
    by_tag: dict[str, Exceeded] = {}
    for rise in sorted(found, key=lambda rise: (rise.layer is None, -rise.size)):
        by_tag.setdefault(rise.tag, Exceeded(rise.tag, rise.value, rise.limit(limit), rise.layer, rise.remark))
    return list(by_tag.values())


def _check_rule(rule: object) -> None:
    if rule is None or (isinstance(rule, str) and rule == "auto"):
        return
    instance("alarm", rule, Mapping, "a mapping from tags to limits, 'auto' or None")
    assert isinstance(rule, Mapping)
    for tag, limit in rule.items():
        text("every tag of alarm", tag)
        number(f"alarm[{tag!r}]", limit)
