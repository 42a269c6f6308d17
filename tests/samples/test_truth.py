from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_cnnviz.samples import FixedSamples, Truth
from lightning_cnnviz.samples.labels import read_truth

HOT = torch.tensor([[1, 1, 0], [0, 0, 0], [0, 0, 1]])
SOFT = torch.tensor([[0.9, 0.05, 0.05], [0.1, 0.1, 0.8], [0.0, 1.0, 0.0]])
MASKS = torch.tensor([[[0, 2], [1, 0]]] * 3)
BOXES = [{"boxes": torch.full((n, 4), float(n)), "labels": torch.arange(n)} for n in (0, 2, 1)]


@pytest.mark.parametrize(
    ("labels", "kind", "values"),
    [
        (torch.tensor([2, 0, 1]), "classes", [2, 0, 1]),
        (torch.eye(3)[[2, 0, 1]].to_sparse(), "classes", [2, 0, 1]),
        (HOT, "multi_hot", HOT.bool().tolist()),
        (HOT.float(), "multi_hot", HOT.bool().tolist()),
        (HOT.to_sparse(), "multi_hot", HOT.bool().tolist()),
        (torch.tensor([0.0, 1.0, 1.0]), "multi_hot", [[False], [True], [True]]),
        (torch.tensor([True, False, True]), "multi_hot", [[True], [False], [True]]),
        (SOFT, "soft", SOFT.tolist()),
        (torch.tensor([0.5, 1.0, 2.0]), "values", [[0.5], [1.0], [2.0]]),
        (np.array([[0.5, 7], [1, -2], [2, 3]]), "values", [[0.5, 7], [1, -2], [2, 3]]),
        (MASKS, "masks", MASKS.tolist()),
        (MASKS[:, None].float(), "masks", MASKS.tolist()),
        (torch.nn.functional.one_hot(MASKS).permute(0, 3, 1, 2), "masks", MASKS.tolist()),
        (MASKS / 4, "pictures", (MASKS[:, None] / 4).tolist()),
        (MASKS[:, None].expand(-1, 3, -1, -1), "pictures", MASKS[:, None].expand(-1, 3, -1, -1).tolist()),
    ],
)
def test_keeps_what_labels_are(labels, kind, values):
    truth = read_truth(labels, 3)
    assert truth.kind == kind
    assert isinstance(truth.values, Tensor)
    assert truth.values.tolist() == (pytest.approx(np.array(values)) if kind == "soft" else values)
    restored = Truth.from_state_dict(truth.state_dict())
    assert restored.kind == kind
    assert torch.equal(restored.values, truth.values)


@pytest.mark.parametrize(
    ("labels", "kind", "known"),
    [
        (torch.tensor([[1, 0, -1], [0, -100, 1], [1, 1, 0]]), "multi_hot", [[1, 1, 0], [1, 0, 1], [1, 1, 1]]),
        (torch.tensor([[1, 0], [0, torch.nan], [1, 0.0]]), "multi_hot", [[1, 1], [1, 0], [1, 1]]),
        (torch.tensor([1, torch.nan, 0.0]), "multi_hot", [[1], [0], [1]]),
        (torch.tensor([[1, -1], [-1, 1], [1, 1]]), "values", None),  # may be those of a margin
        (torch.tensor([[1.0, -1, 0.5], [0, 0, 1], [0, 0, 1]]), "values", None),
        (torch.tensor([-1.0, 0.0, 1.0]), "values", None),
    ],
)
def test_labels_that_are_not_known(labels, kind, known):
    truth = read_truth(labels, 3)
    assert truth.kind == kind
    assert (None if truth.known is None else truth.known.int().tolist()) == known
    if known is not None:
        assert truth.values.tolist() == (labels.reshape(3, -1) == 1).tolist()
        assert truth.chosen([1]).known.int().tolist() == known[1:2]
        assert torch.equal(Truth.from_state_dict(truth.state_dict()).known, truth.known)
        assert FixedSamples(torch.zeros(3, 1, 2, 2), truth=truth).labels is None


def test_boxes():
    truth = read_truth(BOXES, 3)
    assert truth.kind == "boxes"
    assert [boxes.tolist() for boxes in truth.values] == [[], [[2.0] * 4] * 2, [[1.0] * 4]]
    assert [classes.tolist() for classes in truth.classes] == [[], [0, 1], [0]]
    assert (truth.labels, truth.groups()) == (None, None)


@pytest.mark.parametrize(
    "labels",
    [None, "abc", ["a", "b", "c"], torch.tensor([0, -100, 1]), torch.rand(3, 4, 5, 5, 5), torch.tensor(1), {"a": 1}],
)
def test_what_cannot_be_read_is_none(labels):
    assert read_truth(labels, 3) is None


def test_classes_of_labels_and_groups_to_spread_over():
    assert read_truth(SOFT, 3).labels.tolist() == [0, 2, 1]
    assert Truth("soft", torch.tensor([[0.5, 0.5], [0.9, 0.1]])).labels is None
    assert read_truth(HOT, 3).labels is None
    assert read_truth(HOT, 3).groups() == [0, 0, 2]
    assert read_truth(torch.tensor([0.0, 1.0, 1.0]), 3).groups() == [0, 1, 1]
    assert read_truth(torch.tensor([0.5, 1.0, 2.0]), 3).groups() is None


def test_samples_keep_it():
    samples = FixedSamples.from_dataset([(torch.zeros(1, 2, 2), row) for row in HOT])
    assert samples.labels is None
    assert samples.truth.values.tolist() == HOT.bool().tolist()
    restored = FixedSamples.from_state_dict(samples.state_dict())
    assert restored.truth.kind == "multi_hot"
    labelled = FixedSamples(torch.zeros(2, 1, 2, 2), torch.tensor([1, 0]))
    assert (labelled.truth.kind, labelled.truth.values.tolist()) == ("classes", [1, 0])


def test_items_of_bytes_keep_their_form():
    pixels = torch.arange(12, dtype=torch.uint8).view(3, 2, 2)
    samples = FixedSamples.from_dataset([(pixels, 1)])
    assert samples.origin.form.dtype == torch.uint8
    assert torch.equal(samples.images[0], pixels.float())
    assert samples.pictures()[0].transpose(2, 0, 1).tolist() == pixels.tolist()
    restored = FixedSamples.from_state_dict(samples.state_dict())
    assert restored.origin.form == samples.origin.form


@pytest.mark.parametrize(
    ("labels", "kind", "classes"),
    [
        (HOT, "multi_hot", None),
        (HOT.float(), "multi_hot", None),
        (SOFT, "soft", [0, 2, 1]),
        (torch.eye(3)[[2, 0, 1]], "classes", [2, 0, 1]),
        (torch.tensor([[0.5], [1.0], [2.0]]), "values", None),
        (MASKS, "masks", None),
    ],
)
def test_samples_take_as_labels_what_batches_say(labels, kind, classes):
    samples = FixedSamples(torch.zeros(3, 1, 2, 2), labels)
    assert samples.truth.kind == kind
    assert (None if samples.labels is None else samples.labels.tolist()) == classes


def test_of_a_given_truth_the_labels_are_no_other():
    truth = Truth("masks", MASKS)
    assert FixedSamples(torch.zeros(3, 1, 2, 2), HOT, truth=truth).truth is truth


def test_a_single_yes_or_no_is_one_class_of_two():
    truth = read_truth(torch.tensor([0.0, 1.0, 1.0]), 3)
    assert FixedSamples(torch.zeros(3, 1, 2, 2), truth=truth).labels.tolist() == [0, 1, 1]
    assert FixedSamples(torch.zeros(3, 1, 2, 2), truth=read_truth(HOT, 3)).labels is None


@pytest.mark.parametrize(
    ("labels", "highest"),
    [
        (torch.tensor([2, 0, 1]), 2),
        (torch.tensor([2.0, 0.0, 7.0]), 7),
        (torch.tensor([2.5, 0.0, 7.0]), None),
        (torch.tensor([-1.0, 0.0, 7.0]), None),
        (torch.tensor([[2.0, 0.0], [1.0, 1.0], [1.0, 3.0]]), None),
        (MASKS, 2),
        (torch.where(MASKS == 2, 255, MASKS), 1),
        (torch.full((3, 2, 2), 255), None),
        (HOT, None),
    ],
)
def test_the_highest_class_where_values_may_be_classes(labels, highest):
    assert read_truth(labels, 3).highest == highest


def test_masks_are_kept_as_bytes():
    truth = Truth("masks", MASKS)
    assert truth.state_dict()["values"].dtype == torch.uint8
    assert Truth("masks", MASKS * 200).state_dict()["values"].dtype == torch.int64
    assert Truth.from_state_dict(truth.state_dict()).values.dtype == torch.int64
