"""How large a rise undisturbed trainings reach, by the number of samples.

Made by ``python -m benchmarks.alarms table`` of 351 undisturbed trainings; docs/drift.md says what others gave.
"""

from __future__ import annotations

import math

FALSE_ALARMS = (0.003, 0.01, 0.03, 0.1)
"""Shares of looks, and below for each of them the largest rise that no larger share of looks exceeds."""

THRESHOLDS: dict[int, tuple[float, float, float, float]] = {
    8: (6.91, 3.27, 1.66, 0.53),
    16: (5.69, 3.06, 1.33, 0.43),
    32: (4.86, 2.49, 1.13, 0.36),
    64: (4.85, 2.46, 1.05, 0.31),
    128: (4.33, 2.41, 1.04, 0.31),
    256: (4.24, 2.39, 1.04, 0.30),
}


def threshold(samples: int, false_alarms: float) -> float:
    """The rise that raises an alarm, in the units of :mod:`lightning_cnnviz.drift.rule`.

    Args:
        samples: how many are compared; at least 8.
        false_alarms: the share of looks of an undisturbed training that may alarm, within :data:`FALSE_ALARMS`.

    Between the shares of the table the threshold goes by the logarithm of the share.
    """
    row = THRESHOLDS[max(count for count in THRESHOLDS if count <= samples)]
    for rare, often, high, low in zip(FALSE_ALARMS[:-1], FALSE_ALARMS[1:], row[:-1], row[1:], strict=True):
        if false_alarms <= often:
            share = math.log(false_alarms / rare) / math.log(often / rare)
            return high + share * (low - high)
    return row[-1]
