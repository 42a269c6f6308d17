"""Whether two sets of numbers come from the same source: tests whose false alarms are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import ModuleType

import torch
from torch import Tensor

_SEED = 0
_NEIGHBORS = 5
_AT_ONCE = 1000
_ROUNDING = 1e-12


def scipy_stats() -> ModuleType:
    """SciPy's tests.

    Raises:
        ImportError: SciPy is not installed.
    """
    try:
        from scipy import stats  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise ImportError("data_drift needs SciPy: pip install 'lightning-cnnviz[stats]'") from error
    found: ModuleType = stats
    return found


def kolmogorov_smirnov(reference: Tensor, current: Tensor) -> tuple[list[float], list[float]]:
    """Two-sided two-sample Kolmogorov-Smirnov tests, one for each column of (N, K) and (M, K): statistics, p-values."""
    test = scipy_stats().ks_2samp
    columns = zip(reference.double().T.numpy(), current.double().T.numpy(), strict=True)
    results = [test(before, now) for before, now in columns]
    return [float(one.statistic) for one in results], [float(one.pvalue) for one in results]


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values of several tests, raised so that the chance of any false alarm stays what it is of one (Holm, 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def maximum_mean_discrepancy(reference: Tensor, current: Tensor, permutations: int) -> tuple[float, float]:
    """The distance of two sets of vectors (N, K) and (M, K), and its p-value (Gretton et al., 2012).

    The kernel is Gaussian, as wide as the median distance of all vectors. The p-value is the share of random divisions
    of all vectors, the given one among them, that lie as far apart; drawn from a seed of their own.
    """
    both = torch.cat([reference, current]).double()
    squared = torch.cdist(both, both).square()
    scale = squared[squared > 0].median() if bool((squared > 0).any()) else squared.new_ones(())
    kernel = torch.exp(-squared / (2 * scale))
    weights = torch.full((len(both),), 1 / len(reference), dtype=torch.float64)
    weights[len(reference) :] = -1 / len(current)
    generator = torch.Generator().manual_seed(_SEED)
    found, as_far = float(weights @ kernel @ weights), 0
    for drawn in range(0, permutations, _AT_ONCE):
        many = min(_AT_ONCE, permutations - drawn)
        shuffled = weights[torch.rand(many, len(both), generator=generator).argsort(dim=1)]
        as_far += int((((shuffled @ kernel) * shuffled).sum(dim=1) >= found - _ROUNDING).sum())
    return math.sqrt(found) if found > _ROUNDING else 0.0, (as_far + 1) / (permutations + 1)


def distance_to(reference: Tensor, current: Tensor) -> Tensor:
    """How far each of (M, K) lies from (N, K), (M,): the mean distance of its five nearest, over the reference's own.

    1 is as far as one of the reference from the others, in the median.
    """
    nearest = min(_NEIGHBORS, len(reference) - 1)
    among = torch.cdist(reference.double(), reference.double()).fill_diagonal_(math.inf)
    usual = among.topk(nearest, largest=False).values.mean(dim=1).median()
    far = torch.cdist(current.double(), reference.double()).topk(nearest, largest=False).values.mean(dim=1)
    # Where the reference is one point, any other one is infinitely far.
    return (far / usual).nan_to_num(nan=0.0, posinf=math.inf).float()
