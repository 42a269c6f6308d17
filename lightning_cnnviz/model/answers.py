"""What a model answered for each sample, as plain tensors."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from lightning_cnnviz.model.readings import Meaning, Reading


@dataclass(frozen=True)
class Answers:
    """What a model answered.

    Attributes:
        meaning: what the numbers are, see :data:`~lightning_cnnviz.model.readings.Meaning`.
        values: (N, ...) what the model returned, float32 on the CPU; (N, 0) if nothing can be made of it.
        probabilities: (N, classes), those of independent labels where the meaning is ``"labels"``, the share of the
            places that each class covers where it is ``"masks"``; (N, 0) where there are no classes.
        decisions: integers: (N, 1) the class, (N, labels) 0 or 1, (N, h, w) the classes of places; (N, 0) otherwise.
    """

    meaning: Meaning
    values: Tensor
    probabilities: Tensor
    decisions: Tensor = field(default_factory=lambda: torch.zeros(0, 0, dtype=torch.long))

    @classmethod
    def of(cls, output: Tensor | None, reading: Reading, samples: int) -> Answers:
        """What the tensor of scores says; None if there is none."""
        if output is None or len(output) != samples:
            none = torch.zeros(samples, 0)
            return cls("nothing", none, none, none.long())
        output = output.detach()
        return cls(
            reading.meaning,
            output.float().cpu(),
            reading.probabilities(output).float().cpu(),
            reading.decisions(output).cpu(),
        )
