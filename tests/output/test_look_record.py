from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_cnnviz.output.artifacts import Array, Look, Seen
from lightning_cnnviz.output.look_record import record_of


@pytest.mark.parametrize(
    ("answers", "are_probabilities"),
    [
        (torch.tensor([[0.25, 0.75], [float("nan"), float("nan")]]), True),
        (torch.tensor([[0.5], [0.25]]), False),  # one number
        (torch.tensor([[0.5, 3.0], [0.25, -1.0]]), False),  # several numbers
        (torch.zeros(2, 4, 4), False),  # masks
        (torch.zeros(2, 3, 4, 4), False),  # pictures
    ],
)
def test_of_answers_only_probabilities_of_classes_are_recorded(answers: Tensor, are_probabilities: bool) -> None:
    pictures = (np.zeros((4, 4, 3), np.uint8),) * 2
    seen = Seen(pictures, (0, 1), None, (("Predictions", Array("predictions", answers)),))
    [group] = record_of(Look("record", 0.0, 0, (seen,))).groups
    assert (group.probabilities is not None) == are_probabilities
