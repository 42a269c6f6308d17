"""How far two looks at the same samples lie apart: pairs of tensors to numbers, of which 0 says that nothing moved.

A tensor that is not finite has moved as far as can be: a network that broke must not look like one that stands still.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

FEWEST_SAMPLES = 8
"""With fewer, the debiased similarity is noise: at 8 samples it already scatters by about 70% of the drift."""

_FEWEST_ROWS = 4  # the debiased similarity subtracts what each sample shares with the others; three leave nothing

_ROUNDING = 1e-6  # of float32 sums
_TINY = torch.finfo(torch.float64).tiny


def pooled(values: Tensor, size: int) -> Tensor:
    """Maps (..., h, w) averaged down to at most ``size`` by ``size``; smaller ones as they are."""
    smaller: Tensor = F.adaptive_avg_pool2d(values, (min(values.shape[-2], size), min(values.shape[-1], size)))
    return smaller


def similarity_profile(features: Tensor) -> Tensor:
    """Which samples a layer takes to be alike: for each pair, (N (N - 1) / 2,), at unit length.

    It is the U-centred Gram matrix of features (N, ...) above its diagonal. Half the squared distance of two profiles
    is 1 minus their debiased linear CKA. Zeros where nothing can be told: features that are the same for all samples,
    or for all but one. NaN where features are not finite.

    Raises:
        ValueError: there are fewer than 4 samples.
    """
    count = len(features)
    if count < _FEWEST_ROWS:
        raise ValueError(f"features must be of at least {_FEWEST_ROWS} samples, got {count}")
    rows = features.detach().flatten(1).cpu().double()
    centred = rows - rows.mean(dim=0)
    peak = centred.abs().max()
    above = torch.triu_indices(count, count, offset=1).unbind()
    if not torch.isfinite(peak):
        return torch.full((len(above[0]),), torch.nan)
    if peak <= _ROUNDING * rows.abs().max():
        return torch.zeros(len(above[0]))
    centred = centred / peak  # squares of large features would overflow
    gram = centred @ centred.T
    profile = u_centred(gram)[above]
    length = profile.norm()
    # What a single sample drives has no pairs: all that is left of it is what rounding left.
    if length <= _ROUNDING * gram.norm():
        return torch.zeros(len(above[0]))
    unit: Tensor = (profile / length).float()
    return unit


def u_centred(gram: Tensor) -> Tensor:
    """A symmetric matrix (N, N) with a zero diagonal and rows that sum to 0 (Székely and Rizzo, 2014).

    The inner product of two such matrices is, up to N (N - 3), the unbiased HSIC of Song et al. (2012).
    """
    count = len(gram)
    off = gram - gram.diag().diag()
    sums = off.sum(dim=0)
    centred = off - (sums[:, None] + sums[None, :]) / (count - 2) + sums.sum() / ((count - 1) * (count - 2))
    result: Tensor = centred - centred.diag().diag()
    return result


def feature_drift(profile: Tensor, reference: Tensor) -> float:
    """1 - debiased linear CKA of two profiles, from 0 to 1 (Kornblith et al., 2019; Nguyen et al., 2021).

    CKA does not see rotations, reflections and a common scaling of the features. What it scatters by is proportional to
    the drift: about 70% of it at 8 samples, 25% at 32, 18% at 64. An estimate above 1 is cut off there. Two layers that
    are constant, or driven by a single sample, are 0 apart; one such layer is 1 from any other.

    >>> a = similarity_profile(torch.tensor([[0.0], [1.0], [2.0], [5.0]]))
    >>> feature_drift(a, a)
    0.0
    """
    if bool(profile.any()) != bool(reference.any()):
        return 1.0
    half = float((profile.double() - reference.double()).square().sum()) / 2
    return min(half, 1.0) if math.isfinite(half) else 1.0


def jensen_shannon(first: Tensor, second: Tensor) -> Tensor:
    """Jensen-Shannon distance, base 2, of non-negative rows (N, ...) at unit mass, (N,) from 0 to 1 (Lin, 1991).

    It is the square root of the divergence, hence a metric. Two blank rows are 0 apart, a blank row and any other 1.

    >>> jensen_shannon(torch.tensor([[1.0, 0.0], [1.0, 1.0]]), torch.tensor([[0.0, 2.0], [3.0, 3.0]]))
    tensor([1., 0.])
    """
    first, second = _rows(first), _rows(second)
    mass = torch.stack([first.sum(dim=1), second.sum(dim=1)])
    first, second = first / mass[0].clamp_min(_TINY)[:, None], second / mass[1].clamp_min(_TINY)[:, None]
    middle = (first + second) / 2
    divergence = (_relative_entropy(first, middle) + _relative_entropy(second, middle)) / 2
    distance = divergence.clamp(0, 1).sqrt()
    blank = mass == 0
    distance = distance.where(~blank.any(dim=0), (blank[0] != blank[1]).double())
    return distance.nan_to_num(nan=1.0).float()


def _rows(values: Tensor) -> Tensor:
    rows = values.detach().flatten(1).double()
    peak = rows.amax(dim=1, keepdim=True)
    # Gradients may be so small that their mass would vanish, or so large that it would overflow.
    return rows.clamp_min(0) / peak.where(peak > 0, peak.new_ones(()))


def _relative_entropy(values: Tensor, middle: Tensor) -> Tensor:
    return (torch.xlogy(values, values) - torch.xlogy(values, middle)).sum(dim=1) / torch.tensor(2.0).log()


def centres(maps: Tensor) -> Tensor:
    """Centres of mass of maps (N, h, w) as (row, column) in pixels, (N, 2); NaN for a blank map."""
    height, width = maps.shape[1:]
    mass = _rows(maps).reshape(-1, height, width)
    total = mass.sum(dim=(1, 2))
    rows = (mass.sum(dim=2) * torch.arange(height, device=maps.device)).sum(dim=1) / total
    columns = (mass.sum(dim=1) * torch.arange(width, device=maps.device)).sum(dim=1) / total
    return torch.stack([rows, columns], dim=1).float()


def focus_shift(maps: Tensor, reference: Tensor) -> Tensor:
    """How far the centres of mass of two maps (N, h, w) lie apart, (N,): 1 is from one corner to the opposite one.

    Two blank maps are 0 apart; a blank map and any other, and what is not finite, 1.

    >>> focus_shift(torch.tensor([[[1.0, 0.0, 0.0, 0.0]]]), torch.tensor([[[0.0, 0.0, 1.0, 0.0]]]))
    tensor([0.6667])
    """
    distance = (centres(maps) - centres(reference)).norm(dim=1) / diagonal(maps)
    both_blank = (maps == 0).flatten(1).all(dim=1) & (reference == 0).flatten(1).all(dim=1)
    shift: Tensor = distance.masked_fill(both_blank, 0.0).nan_to_num(nan=1.0)
    return shift


def diagonal(maps: Tensor) -> float:
    """The largest distance of two pixels' centres in maps (N, h, w), at least 1."""
    height, width = maps.shape[1:]
    return max(1.0, math.hypot(height - 1, width - 1))


def relative_change(weights: Tensor, reference: Tensor) -> float:
    """Length of the change over length of the reference: 0 if nothing moved, may pass 1.

    A change away from all zeros is 1, and so is one that is not finite.
    """
    before, moved = reference.double().norm(), (weights.double() - reference.double()).norm()
    if moved == 0:
        return 0.0
    ratio = float(moved / before) if before > 0 else 1.0
    return ratio if math.isfinite(ratio) else 1.0
