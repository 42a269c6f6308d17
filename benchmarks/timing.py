"""Seconds of several contestants that take turns, so that a busy machine is unfair to all of them alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Timings:
    """Seconds of each contestant, round by round."""

    seconds: Mapping[str, list[float]]

    def median(self, name: str) -> float:
        """Median over the rounds, in seconds."""
        return statistics.median(self.seconds[name])

    def ratio(self, name: str, over: str) -> float:
        """Median over the rounds of one contestant's seconds over another's in the same round."""
        pairs = zip(self.seconds[name], self.seconds[over], strict=True)
        return statistics.median(seconds / other for seconds, other in pairs)

    def total(self, name: str, parts: list[str]) -> Timings:
        """The same with one more contestant: the sum of others."""
        sums = [sum(turns) for turns in zip(*(self.seconds[part] for part in parts), strict=True)]
        return Timings({**self.seconds, name: sums})


def interleaved(
    contestants: Mapping[str, Callable[[], object]],
    rounds: int,
    *,
    warm_up: int = 1,
    between: Callable[[], object] = lambda: None,
) -> Timings:
    """Runs each contestant once per round, each round beginning with another one: what runs before leaves its mark.

    Args:
        contestants: what is timed, by name.
        rounds: how often.
        warm_up: rounds before those that count.
        between: called after every turn, not timed.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    order = list(contestants)
    for turn in range(warm_up + rounds):
        first = turn % len(order)
        for name in order[first:] + order[:first]:
            gc.collect()
            started = time.perf_counter()
            contestants[name]()
            elapsed = time.perf_counter() - started
            between()
            if turn >= warm_up:
                seconds[name].append(elapsed)
    return Timings(seconds)
