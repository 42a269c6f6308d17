"""A module as a forward pass saw it, and its outputs as maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lightning_cnnviz.model.layers.tokens import TokenGrid
from lightning_cnnviz.model.layers.turns import UPRIGHT, Turn


@dataclass(frozen=True, slots=True)
class Calls:
    """Which of several calls of a module, or of several images made of each sample, are looked at.

    Attributes:
        total: how often one forward pass calls the module.
        used: the calls looked at, by their number from 0; their maps lie alike and count as further channels.
        parts: how many images the model makes of each sample and takes side by side as a batch.
        interleaved: whether the first parts of all samples come first, then all second ones; else those of a sample
            are together.
        turns: what brings the maps of each part, or of each call that is looked at, back onto the image; () if nothing
            is turned.
        one_by_one: whether each call is for one sample.
        remark: what the reader should know.
    """

    total: int = 1
    used: tuple[int, ...] = (0,)
    parts: int = 1
    interleaved: bool = False
    turns: tuple[Turn, ...] = ()
    one_by_one: bool = False
    remark: str | None = None

    def lying(self, name: str, turn: Turn) -> Calls:
        """The same calls of a layer, where there is one image of each sample and it is turned so."""
        if len(self.used) > 1 or self.parts > 1 or self.one_by_one:
            return self
        if turn == UPRIGHT:
            return replace(self, turns=(), remark=self.remark if self.total > 1 else None)
        remark = f"{name} sees turned or mirrored images: what it puts out is turned back"
        return replace(self, turns=(turn,), remark=remark)


ONCE = Calls()


@dataclass(frozen=True, slots=True)
class Layer:
    """A module as one forward pass saw it.

    Attributes:
        name: as in ``model.named_modules()``, without ``_orig_mod.``.
        kind: the module's class name.
        shape: of its output for one sample, for example (64, 56, 56); () if the output is not one for each sample.
        is_convolution: whether it is a two-dimensional convolution.
        repeats_child: whether it hands on the very output of a module inside it, as ``nn.Sequential`` does.
        channels_last: whether the output is (height, width, channels) or (tokens, channels), as in transformers.
        grid: where the places of the image are in an output with channels last, None if it can't be told.
        kernel: the shape of its weight, () if it has none.
        parameters: the number of its own parameters, without those of modules inside it.
        trainable: how many of them are trained.
        calls: which of its calls are looked at.
        matters: whether the score explained depends on it, None if that cannot be told.
        constant: whether it is the same for all images.
        unusable: why it cannot be drawn as maps, if there is a reason that its shape does not show.
        is_output: whether nothing with weights comes after it: its channels are the scores of places.
        started: how many modules had begun before it did.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    is_convolution: bool = False
    repeats_child: bool = False
    channels_last: bool = False
    grid: TokenGrid | None = None
    kernel: tuple[int, ...] = ()
    parameters: int = 0
    trainable: int = 0
    calls: Calls = ONCE
    matters: bool | None = None
    constant: bool = False
    unusable: str = ""
    is_output: bool = False
    started: int = 0

    @property
    def spatial(self) -> tuple[int, int] | None:
        """Height and width of the output as maps, None if it is none: no places of the image, or one pixel only."""
        if self.unusable:
            return None
        if self.grid is not None:
            return self.grid.height, self.grid.width
        if self.channels_last or len(self.shape) != 3 or self.shape[1] * self.shape[2] <= 1:
            return None
        _, height, width = self.shape
        return (width, height) if any(turn.quarters % 2 for turn in self.calls.turns) else (height, width)

    @property
    def channels(self) -> int:
        """How many channels the output of one call has as maps."""
        return self.shape[-1] if self.grid is not None else self.shape[0]

    def as_maps(self, outputs: Tensor | Sequence[Tensor]) -> Tensor:
        """The layer's output, or a gradient of its shape, as (N, channels, height, width).

        Args:
            outputs: of all calls, or of one. Further calls and further parts of a sample count as further channels.
        """
        if isinstance(outputs, Tensor):
            outputs = [outputs]
        calls = self.calls
        if calls.one_by_one:
            outputs = [torch.cat(tuple(outputs))]
        used = [outputs[index] for index in calls.used if index < len(outputs)] or [outputs[-1]]
        maps = [output if self.grid is None else self.grid.as_maps(output) for output in used]
        if calls.parts > 1:
            maps = [part for folded in maps for part in self._parts(folded)]
        turns = calls.turns or (UPRIGHT,)
        laid = [turns[number % len(turns)].undone(part) for number, part in enumerate(maps)]
        return laid[0] if len(laid) == 1 else torch.cat(laid, dim=1)

    def lying(self, turn: Turn) -> Layer:
        """The layer, of whose images it is known how they are turned."""
        return replace(self, calls=self.calls.lying(self.name, turn))

    def _parts(self, maps: Tensor) -> list[Tensor]:
        """Maps (N, K, h, w) of each part of the samples."""
        parts = self.calls.parts
        if self.calls.interleaved:
            return list(maps.split(len(maps) // parts))
        return [maps[part::parts] for part in range(parts)]


@dataclass(frozen=True, slots=True)
class Head:
    """How a model reads its class scores off the maps of one layer: averaged over their places.

    Attributes:
        layer: the layer whose maps are averaged.
        rectified: whether a ReLU that is no module comes between the layer and the average.
        classifier: the linear layer that weighs the averages; None if the maps are those of the classes.
    """

    layer: str
    rectified: bool = False
    classifier: str | None = None
