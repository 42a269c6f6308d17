"""Signs that part of a layer does no work: dead channels, duplicate filters, saturated outputs. All from 0 to 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

_FLAT = 1e-6
_ALIKE = 0.95
_AT_THE_END = 0.01


def dead_channels(activations: Tensor) -> float:
    """Share of the channels of (N, K, h, w) with the same output at all places of all samples, such as 0 after a ReLU.

    A channel that is not finite anywhere counts as dead. With few samples a channel may only seem dead: none of them
    shows what it looks for.

    >>> dead_channels(torch.tensor([[[[0.0, 0.0]], [[0.0, 1.0]]]]))
    0.5
    """
    values = activations.detach().float()
    all_but_channels = [dim for dim in range(values.ndim) if dim != 1]
    low, high = values.amin(all_but_channels), values.amax(all_but_channels)
    alive = high - low > _FLAT * torch.maximum(low.abs(), high.abs())
    return float((~alive).float().mean())


def duplicate_filters(weights: Tensor) -> float:
    """Share of the filters (out, in, kh, kw) that an earlier filter of the layer already is, up to a positive factor.

    Two filters are the same from a cosine of 0.95. Filters of one or two weights are alike by chance.

    >>> duplicate_filters(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 3.0], [0.0, 0.0]]).reshape(4, 1, 1, 2))
    0.25
    """
    rows = weights.detach().float().flatten(1)
    unit = rows / rows.norm(dim=1, keepdim=True).clamp_min(torch.finfo(rows.dtype).tiny)
    earlier = (unit @ unit.T).tril(diagonal=-1)
    return float((earlier >= _ALIKE).any(dim=1).float().mean())


def saturation(activations: Tensor) -> float:
    """Share of the outputs that lie within a hundredth of the layer's range from one of its ends.

    Of a sigmoid or tanh these are the outputs through which no gradient passes; of a ReLU they are its zeros, and about
    half of them is usual. A constant layer gives 1; outputs that are not finite count as saturated.

    >>> saturation(torch.tensor([-1.0, 0.0, 0.5, 1.0]))
    0.5
    """
    values = activations.detach().float()
    low, high = values.aminmax()
    if not (high - low).isfinite():
        finite = values[values.isfinite()]  # slow, hence not taken of every layer
        if finite.numel() == 0:
            return 1.0
        low, high = finite.aminmax()
    margin = _AT_THE_END * (high - low)
    inside = (values > low + margin).logical_and_(values < high - margin)
    return 1 - int(inside.count_nonzero()) / values.numel()


OF_ACTIVATIONS: Mapping[str, Callable[[Tensor], float]] = {"dead_channels": dead_channels, "saturation": saturation}
OF_FILTERS: Mapping[str, Callable[[Tensor], float]] = {"duplicate_filters": duplicate_filters}
