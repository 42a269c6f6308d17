"""Images and labels are found in batches of any structure."""

from __future__ import annotations

from collections import UserDict, defaultdict, namedtuple
from dataclasses import dataclass

import pytest
import torch

from lightning_cnnviz.samples import read_batch, unpack

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


@pytest.mark.parametrize(
    ("batch", "keys", "message"),
    [
        ([LABELS, LABELS], {}, r"image_key=0 gave Tensor of shape \(3,\) and dtype torch\.int64"),
        ([IMAGES > 0.5, LABELS], {}, r"image_key=0 .*torch\.bool"),
        ([torch.rand(3, 1, 8, 8, 8), LABELS], {}, r"image_key=0 .*\(3, 1, 8, 8, 8\).*volumes cannot be drawn"),
        (IMAGES[0], {}, r"shape \(1, 2, 2\)"),
        ([["a", "b"], LABELS], {}, "image_key=0 gave list of length 2.*'0.image'"),
        ([{"text": "a"}, LABELS], {}, r"image_key=0 gave dict with the keys \['text'\]"),
        ({"scan": "a", "kind": LABELS}, {}, r"image_key=0 finds no images.*keys \['scan', 'kind'\]"),
        ({"scan": IMAGES}, {"image_key": "image"}, r"image_key='image'.*keys \['scan'\]"),
        ({"a": {"b": IMAGES}}, {"image_key": "a.c"}, r"image_key='a.c'.*no 'c' in .*keys \['b'\]"),
        ([IMAGES, LABELS], {"image_key": 2}, "image_key=2.*list of length 2"),
        ([IMAGES, LABELS], {"image_key": "image"}, "image_key='image'.*list of length 2"),
        (Pair(IMAGES, LABELS), {"image_key": "image"}, r"fields \['picture', 'kind'\]"),
        (Batch("a", LABELS), {}, r"image_key=0.*Batch with the attributes \['picture', 'kind'\]"),
        ({"image": IMAGES, "kind": LABELS}, {"label_key": "label"}, r"label_key='label'.*keys \['image', 'kind'\]"),
        ([IMAGES, LABELS], {"label_key": 2}, "label_key=2.*list of length 2"),
        ("text", {}, "image_key=0 finds no images.*str"),
        (None, {}, "image_key=0 finds no images.*NoneType"),
    ],
)
def test_errors_say_what_came(batch, keys, message):
    with pytest.raises(ValueError, match=message):
        unpack(batch, **keys)


class TensorDict(dict):
    """Membership raises, as that of a TensorDict of some versions does, and integers index the batch."""

    def __contains__(self, key: object) -> bool:
        raise NotImplementedError("no membership checks")

    def __getitem__(self, key: object) -> object:
        return TensorDict() if isinstance(key, int) else super().__getitem__(key)


class Holder:
    """Images and labels in attributes, one of which cannot be read."""

    def __init__(self, **attributes: object) -> None:
        self.__dict__.update(attributes)

    @property
    def inputs(self) -> object:
        raise RuntimeError("not yet")


@dataclass
class Sample:
    gt_label: torch.Tensor
    image: torch.Tensor
    path: list[str]


Reversed = namedtuple("Reversed", ["label", "image"])

PATHS = ["a.png", "b.png", "c.png"]

INDEX = torch.tensor([6, 7, 8])

TABLE = torch.tensor([[0.1, 31.5], [0.7, 2.25], [0.2, 8.75]])


@pytest.mark.parametrize(
    "batch",
    [
        TensorDict(image=IMAGES, label=LABELS),
        Holder(image=IMAGES, label=LABELS),
        Holder(batch=Holder(pixel_values=IMAGES, labels=LABELS)),
        Sample(LABELS, IMAGES, PATHS),
        Reversed(LABELS, IMAGES),
        (IMAGES, INDEX, LABELS),
        (INDEX, IMAGES, LABELS),
        (INDEX, [IMAGES, IMAGES + 1], LABELS),
        (IMAGES, LABELS, INDEX),
        (IMAGES, TABLE, LABELS),
        (IMAGES, TABLE, INDEX, LABELS),
        (TABLE, IMAGES, LABELS),
        (IMAGES, LABELS, TABLE),
        (IMAGES, PATHS, LABELS),
        [LABELS, IMAGES],
        [[IMAGES, IMAGES + 1], LABELS],
        [[[IMAGES, IMAGES + 1], LABELS], INDEX],
        {"a": (IMAGES, LABELS), "b": (IMAGES + 1, LABELS + 1)},
        {"a": {"image": IMAGES, "label": LABELS}, "b": {"image": IMAGES + 1, "label": LABELS + 1}},
        [[IMAGES, LABELS], [IMAGES + 1, LABELS + 1]],
        ([IMAGES, LABELS], 0, 0),
        {"meta": {"path": PATHS}, "img": IMAGES, "target": LABELS},
    ],
)
def test_finds_them_wherever_they_are(batch):
    images, labels = unpack(batch)
    assert images is IMAGES
    assert labels.tolist() == [2, 0, 1]


@pytest.mark.parametrize("beside", [(), (INDEX,), (PATHS,), (TABLE + 1,)])
def test_numbers_without_classes_behind_them_are_the_truth(beside):
    truth = read_batch((IMAGES, TABLE, *beside)).truth
    assert truth is not None
    assert truth.kind == "values"
    assert truth.values.equal(TABLE)


@pytest.mark.parametrize("batch", [[IMAGES, IMAGES + 1], [[IMAGES, IMAGES + 1]], (IMAGES, IMAGES.clone(), PATHS)])
def test_a_second_view_is_no_label(batch):
    images, labels = unpack(batch)
    assert images is IMAGES
    assert labels is None


@pytest.mark.parametrize(
    ("batch", "unlabelled"),
    [
        (IMAGES, True),
        ({"image": IMAGES, "path": list("abc")}, True),
        ([[IMAGES, IMAGES + 1], LABELS, PATHS], True),  # contrastive learning on a dataset of classes
        ({"first": IMAGES, "second": IMAGES + 1}, True),
        ([IMAGES, LABELS], False),
        ({"image": IMAGES, "weight": torch.rand(3)}, False),  # a name that is not known as one of labels
    ],
)
def test_batches_of_a_kind_that_trains_without_labels(batch, unlabelled):
    assert read_batch(batch).form.unlabelled == unlabelled


MASK = (IMAGES[:, :1] > 0.5).float()


@pytest.mark.parametrize(
    ("batch", "kind"),
    [
        ({"img": IMAGES, "seg": MASK}, "masks"),
        ({"scan": IMAGES, "lesion": MASK}, "masks"),
        (
            {"idx": torch.arange(3), "img": IMAGES, "findings": torch.tensor([[1, 1, 0], [0, 1, 0], [0, 0, 0]])},
            "multi_hot",
        ),
        ({"pixel_values": IMAGES, "pixel_mask": MASK}, None),  # which pixels are none of padding
        ({"pixel_values": IMAGES, "regions": torch.ones(3, 4, 4).long()}, None),
        ({"scan": IMAGES, "lesion": MASK, "organ": MASK}, None),
        ({"scan": IMAGES, "patient": torch.tensor([712, 712, 9])}, None),
    ],
)
def test_masks_and_several_labels_are_found_under_any_name(batch, kind):
    truth = read_batch(batch).truth
    assert (truth and truth.kind) == kind


def test_keys_that_do_not_exist_are_not_made():
    batch = defaultdict(list, image=IMAGES)
    assert unpack(batch)[1] is None
    assert list(batch) == ["image"]
