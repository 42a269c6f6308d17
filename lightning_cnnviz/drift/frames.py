"""The looks of a timeline as they are kept, and which of them give way to later ones."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from lightning_cnnviz.drift.measurement import Measurement
from lightning_cnnviz.views.strips import most_crowded

FAMILIES = {"features": "features", "filters": "filters", "grad_cam": "Grad-CAM", "predictions": "predictions"}
"""The numbers that a timeline shows, and what they are called there."""


@dataclass(frozen=True)
class KeptFrame:
    """One look as it is kept.

    Attributes:
        position: how many looks came before it.
        epoch: None before training.
        maps: (shown, h, w) float16, each from 0 to 1.
        strongest: (shown,) the value of each map that 1 stands for.
        classes: (shown,) predicted.
        probabilities: (shown,) of those.
        drift: what changed since the frame before, such as ``"features body"`` or ``"predictions"``, the largest where
            frames between were left out.
    """

    position: int
    epoch: int | None
    maps: Tensor
    strongest: Tensor
    classes: Tensor
    probabilities: Tensor
    drift: dict[str, float]

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> KeptFrame:
        """Takes up what `state_dict` gave.

        Looks of earlier versions say nothing of strength, and stay as strong as the strongest; their drift is that of
        features alone.
        """
        families = tuple(FAMILIES.values())
        drift = {
            name if name.startswith(families) else f"features {name}": value for name, value in state["drift"].items()
        }
        return cls(**{"strongest": torch.full((len(state["maps"]),), math.inf), **state, "drift": drift})

    def state_dict(self) -> dict[str, Any]:
        """Tensors and primitives."""
        return dict(vars(self))


def thinned(frames: list[KeptFrame], most: int) -> list[KeptFrame]:
    """At most so many frames, thinned as film strips are; the drift of one that gives way goes to the next one."""
    frames = list(frames)
    while len(frames) > most:
        place = most_crowded([frame.position for frame in frames])
        left_out, following = frames[place : place + 2]
        both = left_out.drift, following.drift
        drift = {name: max(drift.get(name, 0.0) for drift in both) for name in (*following.drift, *left_out.drift)}
        frames[place : place + 2] = [replace(following, drift=drift)]
    return frames


def changes(moved: Iterable[Measurement]) -> dict[str, float]:
    """The numbers that a timeline shows, by their names there."""
    return {
        FAMILIES[one.name] if one.layer is None else f"{FAMILIES[one.name]} {one.layer}": one.value
        for one in moved
        if one.name in FAMILIES
    }
