"""Layers that keep something of their own from call to call: what a guest's call would disturb in training.

Each takes maps (N, 4, h, w) and returns maps of the same shape that depend on what it kept, so that a trace of one call
more shows in every later weight.
"""

from __future__ import annotations

import copy
import random
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.ao.quantization import FakeQuantize, default_fused_act_fake_quant, default_weight_fake_quant
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint
from torchmetrics import MeanMetric
from torchvision.ops import StochasticDepth

CHANNELS = 4


def conv() -> nn.Conv2d:
    return nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)


class Counts(nn.Module):
    """In a buffer, an attribute and a list."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))
        self.called, self.notes = 0, [1.0]

    def forward(self, maps: Tensor) -> Tensor:
        self.calls += 1
        self.called += 1
        self.notes.append(float(self.called))
        return maps * (1 + 0.01 * self.calls + 0.01 * self.called + 0.001 * len(self.notes))


class Queue(nn.Module):
    """The last features of all batches, as contrastive methods keep them."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("queue", torch.zeros(8, CHANNELS))
        self.register_buffer("pointer", torch.zeros(1, dtype=torch.long))

    def forward(self, maps: Tensor) -> Tensor:
        with torch.no_grad():
            at = int(self.pointer)
            self.queue[at] = maps.detach().mean(dim=(0, 2, 3))
            self.pointer[0] = (at + 1) % len(self.queue)
        return maps + 0.1 * self.queue.mean(0)[:, None, None]


class MomentumTwin(nn.Module):
    """A second encoder whose parameters follow the first's by moving averages, in ``forward``."""

    def __init__(self) -> None:
        super().__init__()
        self.online = conv()
        self.twin = copy.deepcopy(self.online).requires_grad_(False)

    def forward(self, maps: Tensor) -> Tensor:
        with torch.no_grad():
            for own, followed in zip(self.twin.parameters(), self.online.parameters(), strict=True):
                own.mul_(0.9).add_(followed, alpha=0.1)
        return self.online(maps) + 0.3 * self.twin(maps)


class Quantized(nn.Module):
    """As in quantisation-aware training: fused and plain observers of activations and of weights."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = conv()
        self.fused, self.plain = default_fused_act_fake_quant(), FakeQuantize()
        self.of_weights = default_weight_fake_quant()

    def forward(self, maps: Tensor) -> Tensor:
        weight = self.of_weights(self.conv.weight)
        return self.plain(F.conv2d(self.fused(maps), weight, self.conv.bias, padding=1))


class Normed(nn.Module):
    """Weights computed anew in each call, in the three ways that torch has."""

    def __init__(self) -> None:
        super().__init__()
        self.one = parametrizations.spectral_norm(conv())
        self.two = parametrizations.weight_norm(conv())
        self.three = nn.utils.spectral_norm(conv())

    def forward(self, maps: Tensor) -> Tensor:
        return self.three(self.two(self.one(maps)))


class Stochastic(nn.Module):
    """Random numbers of torch, NumPy and Python, some of them in evaluation mode too."""

    def __init__(self) -> None:
        super().__init__()
        self.depth, self.drop = StochasticDepth(0.5, "row"), nn.Dropout2d(0.3)

    def forward(self, maps: Tensor) -> Tensor:
        noise = random.random() + np.random.rand()  # noqa: NPY002 - what users' code draws from
        return F.dropout(maps + self.depth(self.drop(maps)), 0.1, training=True) * (1 + 0.01 * noise)


class OwnGenerators(nn.Module):
    """Random numbers from generators that the layer owns."""

    def __init__(self) -> None:
        super().__init__()
        self.of_torch = torch.Generator().manual_seed(3)
        self.of_numpy, self.of_python = np.random.default_rng(3), random.Random(3)

    def forward(self, maps: Tensor) -> Tensor:
        drawn = torch.rand((), generator=self.of_torch) + self.of_numpy.random() + self.of_python.random()
        return maps * (1 + 0.05 * drawn.to(maps))


class MadeLate(nn.Module):
    """A buffer, a parameter's scale and a cache by shape that the first call makes, with random numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.grids: dict[tuple[int, ...], Tensor] = {}

    def forward(self, maps: Tensor) -> Tensor:
        if not hasattr(self, "scale"):
            self.register_buffer("scale", 1 + 0.1 * torch.rand(CHANNELS, 1, 1).to(maps))
        grid = self.grids.setdefault(tuple(maps.shape), 0.01 * torch.rand(maps.shape[-2:]).to(maps))
        return maps * self.scale + grid


@dataclass
class _Tracked:
    mean: Tensor = field(default_factory=lambda: torch.zeros(CHANNELS))
    inner: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(steps=torch.zeros(1)))


class Holders(nn.Module):
    """Tensors in containers, in containers of containers and in plain objects."""

    def __init__(self) -> None:
        super().__init__()
        self.by_name = {"mean": torch.zeros(CHANNELS), "nested": {"mean": torch.zeros(CHANNELS)}}
        self.ordered = OrderedDict(last=torch.zeros(CHANNELS))
        self.recent: deque[Tensor] = deque([torch.zeros(CHANNELS)], maxlen=3)
        self.rows = [[torch.zeros(CHANNELS)], (torch.zeros(CHANNELS),)]
        self.tracked = _Tracked()

    def forward(self, maps: Tensor) -> Tensor:
        now = maps.detach().mean(dim=(0, 2, 3)).float().cpu()
        kept = [self.by_name["mean"], self.by_name["nested"]["mean"], self.ordered["last"]]  # type: ignore[index]
        kept += [self.rows[0][0], self.rows[1][0], self.tracked.mean]
        for number, tensor in enumerate(kept):
            tensor.mul_(0.9).add_(now, alpha=0.1 + 0.01 * number)
        self.tracked.inner.steps += 1
        self.recent.append(now)
        shift = sum(kept) + sum(self.recent) + 0.01 * self.tracked.inner.steps
        return maps + 0.05 * shift.to(maps)[:, None, None]


class Writes(nn.Module):
    """A buffer written past autograd's back: through ``data``, NumPy, ``set_``, another size, another tensor."""

    def __init__(self) -> None:
        super().__init__()
        for name in ("by_data", "by_numpy", "by_set", "assigned"):
            self.register_buffer(name, torch.zeros(CHANNELS))
        self.register_buffer("resized", torch.zeros(1))

    def forward(self, maps: Tensor) -> Tensor:
        now = maps.detach().mean(dim=(0, 2, 3)).to(self.by_data)
        self.by_data.data.add_(now, alpha=0.1)
        self.by_numpy.detach().numpy()[...] += 0.1
        self.by_set.set_((self.by_set + 0.1 * now).clone())
        self.assigned = 0.9 * self.assigned + 0.1 * now
        if len(self.resized) != len(maps):
            self.resized.resize_(len(maps)).zero_()
        self.resized += 0.01
        shift = self.by_data + self.by_numpy + self.by_set + self.assigned + self.resized.mean()
        return maps + 0.1 * shift.to(maps)[:, None, None]


class Renormed(nn.Module):
    """A parameter that every call brings back to length 1."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = conv()

    def forward(self, maps: Tensor) -> Tensor:
        with torch.no_grad():
            self.conv.weight.div_(self.conv.weight.norm())
        return 2 * self.conv(maps)


class Measured(nn.Module):
    """A metric fed in every call, a norm that averages over all batches, and one that looks at the batch only."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = MeanMetric()
        self.over_all = nn.BatchNorm2d(CHANNELS, momentum=None)
        self.of_batch = nn.BatchNorm2d(CHANNELS, track_running_stats=False)
        self.of_sample = nn.InstanceNorm2d(CHANNELS, track_running_stats=True)

    def forward(self, maps: Tensor) -> Tensor:
        self.seen.update(maps.detach().abs().float())
        normed = self.of_sample(self.of_batch(self.over_all(maps)))
        return normed * self.seen.compute().to(maps)


class Hooked(nn.Module):
    """Hooks of the user's, one of which registers another at its first call, and a call that runs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = conv()
        self.norms: list[float] = []
        self.conv.register_forward_pre_hook(self.look)
        self.conv.register_full_backward_hook(self.scale)

    def look(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if not self.norms:
            module.register_forward_hook(lambda module, inputs, output: output * 1.1)
        self.norms.append(1.0)

    def scale(self, module: nn.Module, given: tuple[Tensor, ...], received: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        self.norms.append(2.0)
        return tuple(gradient * (1 - 0.001 * (len(self.norms) % 7)) for gradient in given)

    def forward(self, maps: Tensor) -> Tensor:
        return maps + checkpoint(self.conv, maps, use_reentrant=False)


QUIRKS: dict[str, Callable[[], nn.Module]] = {
    quirk.__name__: quirk for quirk in nn.Module.__subclasses__() if quirk.__module__ == __name__
}
