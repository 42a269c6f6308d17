from __future__ import annotations

from collections import UserDict, namedtuple
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from lightning_cnnviz.samples import unpack

IMAGES = torch.rand(3, 1, 2, 2)
LABELS = torch.tensor([2, 0, 1])
Pair = namedtuple("Pair", ["picture", "kind"])


@dataclass
class Batch:
    picture: torch.Tensor
    kind: torch.Tensor


@pytest.mark.parametrize(
    ("batch", "keys"),
    [
        ((IMAGES, LABELS), {}),
        ([IMAGES, LABELS], {}),
        ([IMAGES, LABELS, "paths"], {}),
        (Pair(IMAGES, LABELS), {}),
        (Pair(IMAGES, LABELS), {"image_key": "picture", "label_key": "kind"}),
        (Batch(IMAGES, LABELS), {"image_key": "picture", "label_key": "kind"}),
        ([LABELS, IMAGES], {"image_key": 1, "label_key": 0}),
        ([IMAGES, "paths", LABELS], {"label_key": -1}),
        ({"image": IMAGES, "label": LABELS}, {}),
        ({"pixel_values": IMAGES, "labels": LABELS}, {}),
        (UserDict(x=IMAGES, y=LABELS), {}),
        ({0: IMAGES, 1: LABELS}, {}),
        ({"scan": IMAGES, "kind": LABELS}, {"image_key": "scan", "label_key": "kind"}),
        ({"inputs": {"image": IMAGES}, "kind": [None, LABELS]}, {"image_key": "inputs.image", "label_key": "kind.1"}),
        (({"image": IMAGES}, LABELS), {"image_key": "0.image"}),
        ({"a.b": IMAGES, "label": LABELS}, {"image_key": "a.b"}),
        ({"a": {"b.c": IMAGES}, "label": LABELS}, {"image_key": "a.b.c"}),
        ([[IMAGES, LABELS], "index"], {"image_key": "0.0", "label_key": "0.1"}),
    ],
)
def test_finds_images_and_labels(batch, keys):
    images, labels = unpack(batch, **keys)
    assert images is IMAGES
    assert labels.tolist() == [2, 0, 1]


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


@pytest.mark.parametrize(
    ("batch", "keys", "message"),
    [
        ([LABELS, IMAGES], {}, r"image_key=0 gave Tensor of shape \(3,\) and dtype torch\.int64"),
        ([(IMAGES * 255).byte(), LABELS], {}, r"image_key=0 .*torch\.uint8"),
        (IMAGES[0], {}, r"shape \(1, 2, 2\)"),
        ([[IMAGES, IMAGES], LABELS], {}, "image_key=0 gave list of length 2.*'0.image'"),
        ([{"image": IMAGES}, LABELS], {}, r"image_key=0 gave dict with the keys \['image'\]"),
        ({"scan": IMAGES, "kind": LABELS}, {}, r"image_key=0 finds no images.*keys \['scan', 'kind'\]"),
        ({"scan": IMAGES}, {"image_key": "image"}, r"image_key='image'.*keys \['scan'\]"),
        ({"a": {"b": IMAGES}}, {"image_key": "a.c"}, r"image_key='a.c'.*no 'c' in .*keys \['b'\]"),
        ([IMAGES, LABELS], {"image_key": 2}, "image_key=2.*list of length 2"),
        ([IMAGES, LABELS], {"image_key": "image"}, "image_key='image'.*list of length 2"),
        (Pair(IMAGES, LABELS), {"image_key": "image"}, r"fields \['picture', 'kind'\]"),
        (Batch(IMAGES, LABELS), {}, r"image_key=0.*Batch with the attributes \['picture', 'kind'\]"),
        ({"image": IMAGES, "kind": LABELS}, {"label_key": "label"}, r"label_key='label'.*keys \['image', 'kind'\]"),
        ([IMAGES, LABELS], {"label_key": 2}, "label_key=2.*list of length 2"),
        ("text", {}, "image_key=0 finds no images.*str"),
        (None, {}, "image_key=0 finds no images.*NoneType"),
    ],
)
def test_errors_say_what_came(batch, keys, message):
    with pytest.raises(ValueError, match=message):
        unpack(batch, **keys)
