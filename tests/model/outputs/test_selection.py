"""Scores found in outputs of every structure."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from lightning_cnnviz.model.outputs.selection import Hints, select_output

SCORES = torch.tensor([[1.0, 2.0, 0.5], [4.0, -1.0, 3.0]])
OTHER = torch.zeros(2, 5)
TWO = Hints(2)


@dataclass
class Output:
    loss: Tensor
    logits: Tensor


@dataclass
class Unnamed:
    first: Tensor
    second: Tensor


WithAuxiliary = namedtuple("WithAuxiliary", ["logits", "aux_logits2", "aux_logits1"])


@pytest.mark.parametrize(
    "output",
    [
        SCORES,
        (SCORES, OTHER),
        [SCORES, OTHER],
        (torch.tensor(0.3), SCORES),
        (None, SCORES),
        {"features": OTHER, "logits": SCORES},
        {"out": SCORES, "aux": OTHER},
        {"loss": torch.tensor(0.3), "scores": SCORES},
        Output(torch.tensor(0.3), SCORES),
        Unnamed(SCORES, OTHER),
        WithAuxiliary(SCORES, OTHER, OTHER),
    ],
    ids=lambda output: type(output).__name__,
)
def test_class_scores_are_found(output: Any) -> None:
    assert select_output(output, TWO).tensor is SCORES


@pytest.mark.parametrize(
    ("output", "key"),
    [
        ({"a": OTHER, "b": SCORES}, "b"),
        ((OTHER, SCORES), 1),
        ((OTHER, SCORES), -1),
        (Unnamed(OTHER, SCORES), "second"),
        ({"heads": {"cls": SCORES, "box": OTHER}}, "heads.cls"),
        ([OTHER, {"cls": (OTHER, SCORES)}], "1.cls.1"),
    ],
    ids=["mapping", "tuple", "from the end", "attribute", "nested", "nested in a list"],
)
def test_output_key_names_the_scores(output: Any, key: int | str) -> None:
    assert select_output(output, TWO, key).tensor is SCORES


@pytest.mark.parametrize(
    ("output", "key", "message"),
    [
        ({"a": SCORES}, "b", r"output_key='b' finds no tensor.*keys \['a'\]"),
        ((SCORES,), 3, r"output_key=3 finds no tensor.*tuple of \['Tensor'\]"),
        ((SCORES,), "b", "output_key='b' finds no tensor"),
        ({"a": "text"}, None, "holds no class scores.*forward="),
        ((torch.tensor(1.0),), None, "holds no class scores.*forward="),
        (7, None, "holds no class scores"),
    ],
)
def test_output_without_scores(output: Any, key: int | str | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        select_output(output, TWO, key)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), [("googlenet", 64), ("inception_v3", 299)])
def test_auxiliary_outputs_of_torchvision(name: str, size: int) -> None:
    model = torchvision.models.get_model(name, num_classes=4, init_weights=False, aux_logits=True)
    images = torch.randn(2, 3, size, size)
    output = model.train()(images)
    assert select_output(output, TWO).tensor is output.logits
    assert select_output(model.eval()(images), TWO).tensor.shape == (2, 4)


IMAGE = torch.zeros(2, 1, 8, 8)


@pytest.mark.parametrize(
    ("output", "hints", "path"),
    [
        ((OTHER, SCORES), Hints(2, classes=3), (1,)),
        ((OTHER, SCORES), Hints(2, labels=4), (0,)),
        ((SCORES, OTHER), Hints(2, labels=4), (1,)),
        ((OTHER, SCORES), Hints(2, last_linear=SCORES), (1,)),
        ((SCORES + 1, SCORES), Hints(2, last_linear=SCORES), (0,)),  # a main head before an auxiliary one
        ((OTHER, SCORES), Hints(2), (0,)),
        ((torch.zeros(7, 3), SCORES), Hints(2), (1,)),  # of no two samples
        ((torch.zeros(2, 3).long(), SCORES), Hints(2), (1,)),
        ({"nested": {"cls": SCORES}, "embedding": OTHER}, Hints(2, classes=3), ("nested", "cls")),
        ((SCORES, IMAGE), Hints(2, (1, 8, 8)), (0,)),
        ((IMAGE, SCORES), Hints(2, (1, 8, 8), classes=3), (1,)),
        ((IMAGE, OTHER, OTHER), Hints(2, (1, 8, 8), last_linear=OTHER), (0,)),  # a variational autoencoder
        ((OTHER, OTHER, IMAGE), Hints(2, (1, 8, 8), last_linear=OTHER), (2,)),
        ((torch.zeros(2, 1), SCORES), Hints(2, labels=3), (1,)),  # a confidence beside the classes
        ((SCORES + 1, SCORES.clone().requires_grad_()), Hints(2), (1,)),  # a target without a gradient before it
    ],
)
def test_of_several_tensors_the_likeliest_is_taken(output: Any, hints: Hints, path: tuple[Any, ...]) -> None:
    assert select_output(output, hints).path == path


def test_a_guess_is_told_with_the_way_to_choose() -> None:
    remark = select_output((OTHER, SCORES), Hints(2)).remark
    assert remark is not None
    assert "(0, 1): taken is '0'; output_key" in remark
    assert select_output((OTHER, SCORES), Hints(2, classes=3)).remark is None


def test_a_detector_returns_no_scores() -> None:
    with pytest.raises(ValueError, match=r"holds no class scores: list of .*forward= takes a function"):
        select_output([{"boxes": torch.zeros(1, 4), "scores": torch.zeros(1)}] * 2, Hints(2))


def test_a_backbone_returns_no_scores() -> None:
    maps = [torch.zeros(2, 8, 4, 4), torch.zeros(2, 16, 2, 2)]
    with pytest.raises(ValueError, match="returns maps of features, not scores"):
        select_output(maps, Hints(2, (3, 8, 8), labels=3, truth="classes"))
    # Maps of one width in several sizes may be those of deep supervision.
    assert select_output([maps[0], maps[0][:, :, ::2, ::2]], Hints(2, (3, 8, 8))).path == (0,)
    assert select_output(maps, Hints(2, (3, 8, 8), truth="masks")).path == (0,)


def test_maps_from_which_the_scores_are_computed_are_no_other_scores() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(128, 3))
    early = net[:2](torch.rand(2, 3, 8, 8))
    late = net[2](early)
    found = select_output((net[3:](late), [early, late]), Hints(2, (3, 8, 8), labels=3, truth="classes"))
    assert (found.path, found.remark) == ((0,), None)
