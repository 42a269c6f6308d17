from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchmetrics.functional.classification import multiclass_confusion_matrix

from lightning_cnnviz import CNNVisualizer, ConfusionMatrix, FixedSamples, explain
from lightning_cnnviz.model.evidence import Evidence
from lightning_cnnviz.output.artifacts import Array, Artifact, Picture
from lightning_cnnviz.render import HeatTable
from lightning_cnnviz.views.confusion_matrix import confusion
from tests.helpers.training import events, fit, image_steps, stripes


class Told(nn.Module):
    """Says the class that is the image's value."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1, bias=False)
        self.classes = classes

    def forward(self, images: Tensor) -> Tensor:
        value = (self.conv(images) / self.conv.weight).mean(dim=(1, 2, 3))
        return -(value[:, None] - torch.arange(self.classes)).square()


def told(said: list[int], true: list[int], names: list[str] | None = None) -> FixedSamples:
    images = torch.tensor(said, dtype=torch.float32).reshape(-1, 1, 1, 1).expand(-1, 1, 4, 4)
    return FixedSamples(images, torch.tensor(true), class_names=names)


class Keeping(ConfusionMatrix):
    def __init__(self, classes: int = 12) -> None:
        super().__init__(classes)
        self._tables: list[HeatTable] = []
        self._counts: list[Tensor] = []

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        for artifact in super().draw(evidence):
            if isinstance(artifact, Picture) and isinstance(artifact.figure, HeatTable):
                self._tables.append(artifact.figure)
            if isinstance(artifact, Array):
                self._counts.append(artifact.values)
            yield artifact


def test_as_torchmetrics_counts() -> None:
    generator = torch.Generator().manual_seed(0)
    labels, said = torch.randint(7, (2, 500), generator=generator)
    assert confusion(labels, said, 7).equal(multiclass_confusion_matrix(said, labels, 7))


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_that_is_no_class(label: int) -> None:
    with pytest.raises(ValueError, match=f"labels go from .*{label}.*the model has 3 classes"):
        confusion(torch.tensor([0, label]), torch.tensor([0, 1]), 3)


def test_without_a_trainer_the_samples_are_counted() -> None:
    view = Keeping()
    found = explain(Told(3), told([0, 0, 2, 2], [0, 1, 2, 1], ["ant", "bee", "cow"]), [view])
    assert found.arrays["confusion_matrix"].tolist() == [[1, 0, 0], [1, 0, 1], [0, 0, 1]]
    [table] = view._tables
    assert table.title == "What is taken for what: 2 of 4 right"
    assert table.rows == ("ant  100%", "bee  0%", "cow  100%")
    np.testing.assert_array_equal(table.values, [[1, np.nan, np.nan], [1, np.nan, 1], [np.nan, np.nan, 1]])
    lines = found.notes["most_confused"].splitlines()[2:]
    assert lines == ["| bee | ant | 1 | 50% |", "| bee | cow | 1 | 50% |"]


def test_a_name_with_a_bar_stays_in_its_column() -> None:
    found = explain(Told(3), told([1, 1], [0, 1], ["a|b", "c", "d"]), [ConfusionMatrix()])
    assert found.notes["most_confused"].splitlines()[2:] == [r"| a\|b | c | 1 | 100% |"]


def test_of_many_classes_those_with_the_most_mistakes_are_drawn() -> None:
    view = Keeping(classes=3)
    explain(Told(20), told([5, 5, 5, 9, 1, 2], [7, 7, 5, 7, 1, 2]), [view])
    [table] = view._tables
    assert table.columns == ("5", "7", "9")
    assert "the 3 classes with the most mistakes, of 20" in table.footer
    assert table.rows == ("5  100%", "7  0%", "9  none")


def test_of_many_classes_those_that_never_occur_are_left_out() -> None:
    view = Keeping(classes=8)
    explain(Told(20), told([5, 5, 9], [7, 5, 9]), [view])
    [table] = view._tables
    assert table.columns == ("5", "7", "9")


def test_answers_that_are_nan_are_no_class() -> None:
    view, samples = Keeping(), told([0, 1, 2], [0, 1, 2])
    samples.images[0] = torch.nan
    found = explain(Told(3), samples, [view])
    assert found.arrays["confusion_matrix"].tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 1]]
    [table] = view._tables
    assert table.title == "What is taken for what: 2 of 3 right"
    assert "1 answers are NaN" in table.footer


def test_long_names_stand_in_the_rows_and_their_numbers_above_the_columns() -> None:
    view = Keeping()
    explain(Told(3), told([0, 0, 2], [0, 1, 2], ["Mediterranean lizard", "tabby", "lynx"]), [view])
    [table] = view._tables
    assert table.rows == ("1 Mediterranean lizard  100%", "2 tabby  0%", "3 lynx  100%")
    assert table.columns == ("1", "2", "3")
    assert table.footer.endswith("columns: what the model says, by the numbers of the rows")


def test_no_mistakes_are_said() -> None:
    found = explain(Told(3), told([0, 1, 2], [0, 1, 2]), [ConfusionMatrix()])
    assert found.notes["most_confused"] == "nothing was taken for anything else"


def test_samples_without_labels_are_not_counted() -> None:
    assert not explain(Told(3), torch.rand(2, 1, 4, 4), [ConfusionMatrix()]).pictures


@pytest.mark.parametrize("classes", [1, 17, 0])
def test_as_many_classes_as_fit(classes: int) -> None:
    with pytest.raises(ValueError, match="classes must"):
        ConfusionMatrix(classes)


def test_in_training_all_of_the_validation_set_is_counted(tmp_path: Path) -> None:
    view = Keeping()
    model = fit(tmp_path, [CNNVisualizer([view], on_error="raise")])
    assert [int(counts.sum()) for counts in view._counts] == [8, 24, 24], "the untrained model: the samples"
    images, labels = stripes().tensors
    said = model.eval()(images).argmax(1)
    assert view._counts[-1].equal(multiclass_confusion_matrix(said, labels, 3).float())
    assert image_steps(tmp_path) == {"confusion_matrix": [0, 5, 11]}
    assert "most_confused/text_summary" in events(tmp_path).Tags()["tensors"]
