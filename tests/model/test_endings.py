"""What a model did last to its scores, told by its graph and by names."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_cnnviz import FixedSamples
from lightning_cnnviz.model.endings import ending_of
from lightning_cnnviz.model.known import Known
from lightning_cnnviz.model.probe import Probe
from lightning_cnnviz.model.recognition import read
from tests.helpers.model_shapes import Net

TWO = Known(2)


@pytest.mark.parametrize("bounded", [F.hardsigmoid, lambda x: x.clamp(0, 1), lambda x: F.hardtanh(x, 0.0, 1.0)])
def test_scores_that_are_cut_to_probabilities(bounded: Callable[[Tensor], Tensor]) -> None:
    output = bounded(torch.tensor([[0.9], [0.1]], requires_grad=True))
    reading = read(output, TWO)
    assert (reading.meaning, reading.ending) == ("classes", "sigmoid")
    torch.testing.assert_close(reading.probabilities(output)[:, 1:], output)
    assert ending_of(torch.tensor([0.5], requires_grad=True).clamp(0, 2)) is None


def test_the_name_of_an_output_tells_probabilities() -> None:
    output = torch.tensor([[0.9], [0.1]])
    for name, ending in (("pred_score", "sigmoid"), ("probs", "sigmoid"), ("score", "logits")):
        assert read(output, TWO, ("out", name)).ending == ending
    assert read(output * 2, TWO, ("probs",)).ending == "logits"  # no probability is 1.8
    both = torch.tensor([[0.25, 0.75], [0.5, 0.5]])
    assert read(both, TWO, ("probs",)).ending == "softmax"
    assert read(both / 2, TWO, ("probs",)).meaning == "labels"


def test_a_yes_or_no_of_each_image_is_one_class_of_two_scores() -> None:
    images = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    samples = FixedSamples.from_dataset(list(zip(images, [0.0, 1.0, 1.0, 0.0], strict=True)))
    reading = Probe(Net(lambda m, x: m.scores(x), width=2)).survey(samples).reading
    assert (reading.meaning, reading.width) == ("classes", 2)
