"""What is known of a model is known with these samples and these layers, not with others that lie in their place."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from lightning_cnnviz import CNNVisualizer, FixedSamples
from lightning_cnnviz.training.session import Session
from tests.helpers.training import SmallCNN, trainer

T = TypeVar("T")


def in_the_place_of(place: int, kind: type[T], *arguments: Any, **options: Any) -> T:
    """A new object at an address that has become free, as far as the interpreter gives it out again."""
    made = [kind.__new__(kind)]
    while id(made[-1]) != place and len(made) < 1000:
        made.append(kind.__new__(kind))
    kind.__init__(made[-1], *arguments, **options)
    return made[-1]


def test_other_samples_at_the_address_of_samples_that_are_gone_have_a_survey_of_their_own(tmp_path: Path) -> None:
    session, model, callback = Session(trainer(tmp_path, [])), SmallCNN(), CNNVisualizer()
    place = 0
    for size in (8, 16, 24, 12, 20):
        images = torch.rand(2, 1, size, size)
        samples = in_the_place_of(place, FixedSamples, images)
        assert session.survey(model, callback, samples)["stem"].shape == (4, size, size)
        place = id(samples)
        del samples
    assert not session._layouts, "what is gone is not remembered"


def test_another_layer_at_the_address_of_one_that_is_gone_is_surveyed_anew(tmp_path: Path) -> None:
    session, model, callback = Session(trainer(tmp_path, [])), SmallCNN(), CNNVisualizer()
    samples = FixedSamples(torch.rand(2, 1, 8, 8))
    for stride in (2, 1, 4):
        place = id(model.body[0])
        model.body[0] = nn.Identity()
        model.body[0] = in_the_place_of(place, nn.Conv2d, 4, 6, 3, padding=1, stride=stride)
        assert session.survey(model, callback, samples)["body"].shape == (6, 8 // stride, 8 // stride)
