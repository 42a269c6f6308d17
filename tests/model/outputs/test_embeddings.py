"""Embeddings are told from scores of classes."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_cnnviz import FixedSamples, explain
from lightning_cnnviz.model.outputs.embeddings import holds_metric_loss
from lightning_cnnviz.model.outputs.readings import Known
from lightning_cnnviz.model.outputs.recognition import read
from tests.helpers.model_shapes import Net, logits

TWO = Known(2)
IMAGES = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def test_embeddings() -> None:
    of_classes = replace(TWO, truth="classes", highest=3)
    rows = torch.randn(2, 64)
    assert read(rows, replace(of_classes, kind="embedding")).meaning == "embedding"
    assert read(rows, replace(of_classes, kind="embedding")).remarks == ()
    assert read(rows, replace(of_classes, compared=True)).meaning == "embedding"
    assert read(rows[:, :4], replace(of_classes, compared=True)).meaning == "classes"  # as wide as there are classes
    assert read(rows[:, :4], replace(of_classes, compared=True, names=("a", "b", "c"))).meaning == "embedding"
    assert read(F.normalize(rows[:, :4], dim=1), of_classes).meaning == "embedding"
    assert read(torch.eye(4)[:2], of_classes).meaning == "classes"
    wide = read(rows, of_classes)
    assert wide.meaning == "classes"
    assert "the output is 64 wide, the labels go up to 3" in wide.remarks[0]
    assert read(rows, replace(of_classes, kind="logits")).remarks == ()


def test_a_loss_that_compares_outputs_tells_an_embedding_unless_forward_calls_it() -> None:
    class ArcFaceHead(nn.Linear):
        pass

    modules = {"net": nn.Linear(2, 2), "loss": nn.TripletMarginLoss(), "head": ArcFaceHead(2, 2)}
    assert holds_metric_loss(modules, {"net"})
    assert holds_metric_loss(modules, {"net", "loss"})
    assert not holds_metric_loss(modules, {"net", "loss", "head"})
    assert not holds_metric_loss({"loss": nn.CrossEntropyLoss(), "margin": nn.MultiMarginLoss()}, set())


class Metric(Net):
    """Holds the loss by which it is trained."""

    def __init__(self) -> None:
        super().__init__(logits, width=4)
        self.loss = nn.TripletMarginLoss()


def test_labels_beyond_the_width_of_an_embedding_are_no_fault() -> None:
    samples = FixedSamples(IMAGES, torch.tensor([0, 3, 5, 9]))
    found = explain(Metric(), samples)
    assert {tag.partition("/")[0] for tag in found.pictures} == {"feature_maps", "filters"}
    assert any("the output is read as an embedding" in remark for remark in found.remarks)


def test_what_the_user_says_is_an_embedding_has_no_classes() -> None:
    samples = FixedSamples(IMAGES, torch.tensor([0, 1, 2, 3]))
    named = explain(Net(logits, width=4), samples, output="embedding")
    assert "predictions" not in named.arrays
    assert any("it is with output='logits'" in remark for remark in named.remarks)
    of_maps = explain(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), samples, output="embedding")
    assert "predictions" not in of_maps.arrays


def test_a_function_gives_an_embedding_a_score() -> None:
    def first_column(output: Tensor) -> Tensor:
        return output[:, 0]

    samples = FixedSamples(IMAGES, torch.tensor([0, 1, 2, 3]))
    net = Net(logits, width=4)
    found = explain(net, samples, target=first_column, output="embedding")
    same = explain(net, samples, target=0, output="logits")
    assert torch.equal(found.arrays["grad_cam/late"], same.arrays["grad_cam/late"])
