"""One number about a model, and the tags under which it is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import Literal, TypeAlias

from torch import Tensor

Group: TypeAlias = Literal["drift", "health", "shortcuts"]


@dataclass(frozen=True)
class Measurement:
    """One number about one layer, its maps or the model's output.

    Its two tags never begin with one another: a store that keeps tags as files could not hold both.

    Attributes:
        group: what kind of number it is.
        name: of the number, for example ``"features"`` or ``"grad_cam_focus_shift"``.
        layer: of which layer, ``"input"`` for the images, None for the model's output.
        value: 0 if nothing moved, or if nothing is wrong.
        by_sample: (N,) what each sample adds to the mean; None where samples cannot be told apart.
        reference: what is compared with, for example ``"previous"``; None for a number of one look.
    """

    group: Group
    name: str
    layer: str | None
    value: float
    by_sample: Tensor | None = None
    reference: str | None = None

    @property
    def tag(self) -> str:
        """The full name, for example ``drift_layers/grad_cam_focus_shift/layer4/previous``."""
        return "/".join(part for part in (f"{self.group}_layers", self.name, self.layer, self.reference) if part)

    @property
    def short_tag(self) -> str:
        """The name of the mean over all layers, for example ``drift/grad_cam_focus_shift``."""
        return f"{self.group}/{self.name}"


def means(measurements: Iterable[Measurement]) -> dict[str, float]:
    """The means over all layers by short tag."""
    by_tag: dict[str, list[float]] = {}
    for measurement in measurements:
        by_tag.setdefault(measurement.short_tag, []).append(measurement.value)
    return {tag: fmean(values) for tag, values in by_tag.items()}
