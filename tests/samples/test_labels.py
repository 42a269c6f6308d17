"""What counts as one class for each image, and what does not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lightning_cnnviz.samples import unpack

IMAGES = torch.rand(3, 1, 2, 2)
LABELS = torch.tensor([2, 0, 1])


@pytest.mark.parametrize("batch", [IMAGES, [IMAGES], (IMAGES,), {"image": IMAGES}, {"image": IMAGES, "box": LABELS}])
def test_missing_labels_are_none(batch):
    images, labels = unpack(batch)
    assert images is IMAGES
    assert labels is None


def test_label_key_none_means_no_labels():
    assert unpack((IMAGES, LABELS), label_key=None)[1] is None


@pytest.mark.parametrize(
    "labels",
    [
        LABELS.int(),
        LABELS.byte(),
        LABELS.to(torch.uint16),
        LABELS.unsqueeze(1),
        torch.eye(3)[LABELS],
        torch.eye(3, dtype=torch.long)[LABELS],
        torch.eye(3, dtype=torch.bool)[LABELS],
        torch.eye(5)[LABELS],
        [2, 0, 1],
        (torch.tensor(2), torch.tensor(0), torch.tensor(1)),
        np.array([2, 0, 1]),
    ],
)
def test_labels_become_class_indices(labels):
    found = unpack((IMAGES, labels))[1]
    assert found.dtype == torch.int64
    assert found.tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    "labels",
    [
        torch.tensor([[1, 1, 0], [0, 1, 0], [0, 0, 1]]),  # several labels per image
        torch.tensor([[0.5, 0.5], [1.0, 0.0], [0.0, 1.0]]),  # mixed images
        torch.zeros(3, 4),  # boxes
        torch.zeros(3, 2, 2, dtype=torch.long),  # dense masks
        torch.tensor([0.5, 1.0, 2.0]),  # a regression
        torch.tensor([True, False, True]),
        torch.tensor([0, 1]),  # not one per image
        torch.tensor(1),
        torch.tensor([0, -100, 1]),  # to be ignored by the loss
        ["cat", "dog", "cat"],
        [{"boxes": torch.zeros(0, 4)}] * 3,
        {"boxes": torch.zeros(3, 4)},
        None,
    ],
)
def test_labels_that_are_not_one_class_per_image_are_none(labels):
    assert unpack((IMAGES, labels))[1] is None


def test_labels_of_a_square_batch_are_not_taken_for_one_hot_by_column():
    # Columns sum to one here, rows do not.
    assert unpack((IMAGES, torch.tensor([[1, 1, 1], [0, 0, 0], [0, 0, 0]])))[1] is None
