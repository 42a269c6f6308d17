"""A part that is looked at in place of the model may give features, which others go on with, and no scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_cnnviz import FixedSamples, explain
from lightning_cnnviz.model.outputs.readings import Reading
from lightning_cnnviz.model.probe import Probe
from lightning_cnnviz.samples import Truth

IMAGES = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 1])


def part(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, width))


class Holding(nn.Module):
    """Parts side by side, without a forward."""

    def __init__(self, width: int, **beside: nn.Module) -> None:
        super().__init__()
        self.backbone = part(width)
        for name, module in beside.items():
            self.add_module(name, module)


class BesideATable(Holding):
    """Takes columns of a table beside images."""

    def forward(self, images: Tensor, table: Tensor) -> Any:
        raise AssertionError("nobody has a table")


class BesideMasks(Holding):
    """Takes masks beside images, which it leaves to its only part."""

    def forward(self, images: Tensor, masks: Tensor) -> Any:
        return self.backbone(images * masks)


class OfABatch(Holding):
    """Takes whole batches."""

    def forward(self, batch: Any) -> Any:
        raise TypeError("no batch")


def reading(model: nn.Module, names: Sequence[str] | None = None, **options: Any) -> Reading:
    return Probe(model, **options).survey(FixedSamples(IMAGES, LABELS, class_names=names)).reading


@pytest.mark.parametrize(
    "model",
    [
        BesideATable(20, table=nn.Linear(5, 8), head=nn.Linear(28, 3)),  # side by side with what a table became
        BesideATable(20, head=nn.Linear(25, 3)),  # side by side with the table itself
        BesideATable(20, head=nn.Linear(20, 3)),
        OfABatch(20, table=nn.Linear(5, 8), head=nn.Linear(28, 3)),
        OfABatch(20, kinds=nn.Embedding(7, 6), head=nn.Linear(26, 3)),
        Holding(20, table=nn.Linear(5, 8), head=nn.Linear(28, 3)),
        Holding(20, head=nn.Linear(20, 3)),
        Holding(20, head=nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 3))),
        Holding(20, memory=nn.LSTM(20, 6), head=nn.Linear(6, 3)),
        Holding(20, head=nn.Bilinear(20, 5, 3)),
    ],
)
@pytest.mark.parametrize("names", [None, ["a", "b", "c"]])
def test_what_others_go_on_with_are_features(model: nn.Module, names: Sequence[str] | None) -> None:
    found = reading(model, names)
    assert (found.meaning, found.classes) == ("embedding", 0)
    assert "'backbone' is a part of the model and puts out 20 numbers" in found.reason
    assert found.remarks == (found.reason,)
    assert reading(model, names, forward="backbone").meaning == "classes"
    assert reading(model, names, output="logits").meaning == "classes"


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (Holding(3, head=nn.Linear(3, 3)), None),  # as many as there are classes
        (Holding(5, head=nn.Linear(5, 3)), list("abcde")),
        (Holding(1, head=nn.Linear(1, 1)), ["no", "yes"]),
        (Holding(10), None),
        (Holding(10), ["a", "b", "c"]),
        (BesideMasks(10), ["a", "b", "c"]),
        (Holding(10, turns=nn.Linear(512, 4)), None),  # a task of its own on what is inside of the part
        (BesideMasks(10, table=nn.Sequential(nn.Linear(30, 64), nn.Linear(64, 10))), None),  # added to the scores
        (OfABatch(10, turns=nn.Linear(512, 4)), None),
        (BesideMasks(10, table=nn.Sequential(nn.Linear(30, 20), nn.Linear(20, 10))), None),
        (Holding(10, words=nn.Embedding(7, 10)), None),
    ],
)
def test_what_may_be_scores_stays_so(model: nn.Module, names: Sequence[str] | None) -> None:
    labels = LABELS % 2 if names == ["no", "yes"] else LABELS
    layout = Probe(model).survey(FixedSamples(IMAGES, labels, class_names=names))
    assert layout.reading.meaning == "classes"


@pytest.mark.parametrize(("kind", "meaning"), [("multi_hot", "labels"), ("values", "values")])
def test_as_many_as_the_data_have_of_each_image_are_no_features(kind: Any, meaning: str) -> None:
    for columns, expected in ((6, meaning), (2, "embedding")):
        values = torch.arange(4 * columns).reshape(4, columns) % 2
        truth = Truth(kind, values.bool() if kind == "multi_hot" else values + 0.5)
        model = BesideATable(6, head=nn.Linear(10, 2))
        found = Probe(model).survey(FixedSamples(IMAGES, truth=truth)).reading
        assert found.meaning == expected


def test_maps_that_others_go_on_with_are_no_masks() -> None:
    model = Holding(3, head=nn.Linear(4 * 6 * 6, 3))
    model.backbone = model.backbone[:2]
    assert reading(model).meaning == "embedding"


def test_its_features_are_no_classes_in_pictures_and_a_function_of_them_is_explained() -> None:
    model = BesideATable(20, head=nn.Linear(28, 3))
    samples = FixedSamples(IMAGES, LABELS)
    found = explain(model, samples)
    assert "predictions" not in found.pictures
    assert any("forward='backbone' reads them as scores" in remark for remark in found.remarks)
    assert any(name.startswith("feature_maps/") for name in found.pictures)
    given = explain(model, samples, target=lambda features: features[:, 7])
    assert any(name.startswith("grad_cam/") for name in given.pictures)
