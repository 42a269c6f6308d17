"""Samples out of a dataset: which, by which keys, and nothing is disturbed."""

from __future__ import annotations

import random
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, Subset, TensorDataset
from torchvision.datasets import FakeData
from torchvision.transforms import v2

from lightning_cnnviz.samples import FixedSamples
from tests.helpers.samples import indices_of


class Labelled(Dataset):
    """Items are (1, 2, 2) images filled with their index; counts how often it is read."""

    def __init__(self, labels: list, /, **attributes: object) -> None:
        self.item_labels = labels
        self.reads: list[int] = []
        self.__dict__.update(attributes)

    def __len__(self) -> int:
        return len(self.item_labels)

    def __getitem__(self, index: int) -> tuple[Tensor, object]:
        self.reads.append(index)
        return torch.full((1, 2, 2), float(index)), self.item_labels[index]


def test_from_dataset_takes_the_first_eight():
    samples = FixedSamples.from_dataset(Labelled(list(range(20))))
    assert indices_of(samples) == list(range(8))
    assert samples.labels.tolist() == list(range(8))
    assert len(FixedSamples.from_dataset(Labelled([0, 1]))) == 2


def test_from_dataset_takes_indices_in_their_order():
    samples = FixedSamples.from_dataset(Labelled([5, 6, 7, 8]), [3, 0, np.int64(3)])
    assert indices_of(samples) == [3, 0, 3]
    assert samples.labels.tolist() == [8, 5, 8]


def test_from_dataset_finds_the_display_facts():
    dataset = FakeData(
        4,
        (3, 4, 4),
        2,
        v2.Compose([v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * 3, [0.25] * 3)]),
    )
    dataset.classes = ["a", "b"]
    samples = FixedSamples.from_dataset(Subset(dataset, [1, 2]))
    assert (samples.class_names, samples.mean, samples.std) == (("a", "b"), (0.5,) * 3, (0.25,) * 3)
    own = FixedSamples.from_dataset(dataset, class_names=["c", "d"], mean=[0.0], std=[1.0])
    assert (own.class_names, own.mean, own.std) == (("c", "d"), (0.0,), (1.0,))
    raw = np.asarray(FakeData(4, (3, 4, 4), 2)[1][0])
    assert np.array_equal(samples.pictures()[0], raw)


def test_per_class_takes_the_first_of_each_class_then_the_second():
    labels = [1, 1, 0, 1, 2, 0, 0, 2]
    samples = FixedSamples.from_dataset(Labelled(labels), per_class=2)
    assert indices_of(samples) == [2, 0, 4, 5, 1, 7]
    assert samples.labels.tolist() == [0, 1, 2, 0, 1, 2]


def test_per_class_stops_reading_when_every_class_is_complete():
    dataset = Labelled([0, 1, 0, 1, 0, 1, 0, 1], classes=["a", "b"])
    FixedSamples.from_dataset(dataset, per_class=2)
    assert dataset.reads == [0, 1, 2, 3, 0, 1, 2, 3]  # four to learn the labels, the same four as samples


@pytest.mark.parametrize("name", ["targets", "labels"])
@pytest.mark.parametrize("kind", [list, torch.tensor, np.array])
def test_per_class_uses_the_list_of_labels(name, kind):
    labels = [0, 0, 0, 0, 1]
    dataset = Labelled(labels, **{name: kind(labels)})
    assert indices_of(FixedSamples.from_dataset(dataset, per_class=1)) == [0, 4]
    assert dataset.reads == [0, 4]


def test_per_class_uses_the_list_of_labels_through_a_subset():
    dataset = Labelled([0, 0, 1, 1], targets=[0, 0, 1, 1])
    samples = FixedSamples.from_dataset(Subset(Subset(dataset, [3, 1, 2, 0]), [0, 1, 3]), per_class=2)
    assert indices_of(samples) == [1, 3, 0]
    assert dataset.reads == [1, 3, 0]


def test_per_class_reads_the_items_where_a_target_transform_changes_the_labels():
    dataset = Labelled([1, 1, 0, 0], targets=[0, 0, 0, 0], target_transform=lambda label: 1 - label)
    assert indices_of(FixedSamples.from_dataset(dataset, per_class=1)) == [2, 0]


def test_per_class_reads_the_items_where_the_list_is_not_of_the_labels_asked_for():
    class Fine(Labelled):
        def __getitem__(self, index: int) -> tuple[Tensor, int, object]:
            image, fine = super().__getitem__(index)
            return image, 0, fine

    dataset = Fine([3, 3, 4], targets=[0, 0, 0])
    assert indices_of(FixedSamples.from_dataset(dataset, per_class=1)) == [0]
    assert indices_of(FixedSamples.from_dataset(dataset, per_class=1, label_key=2)) == [0, 2]


def test_per_class_without_labels_is_an_error():
    with pytest.raises(ValueError, match=r"per_class needs one class index per item.*label_key=1.*item 0"):
        FixedSamples.from_dataset(TensorDataset(torch.zeros(2, 1, 2, 2)), per_class=1)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([np.int64(2), torch.tensor(1)], [2, 1]),
        ([torch.tensor([2]), np.array([1])], [2, 1]),
        ([torch.tensor([0.0, 1.0]), [1, 0]], [1, 0]),
        (["cat", "dog"], None),
        ([1, None], None),
        ([torch.tensor([1, 1]), torch.tensor([0, 1])], None),
        ([0.5, 1.5], None),
        ([{"boxes": 1}, {"boxes": 2}], None),
    ],
)
def test_item_labels(labels, expected):
    samples = FixedSamples.from_dataset(Labelled(labels))
    assert (None if samples.labels is None else samples.labels.tolist()) == expected


def test_from_dataset_reads_keys_and_bare_tensors():
    class Dicts(Labelled):
        def __getitem__(self, index: int) -> dict:
            image, label = super().__getitem__(index)
            return {"meta": {"kind": label}, "scan": image.numpy()}

    samples = FixedSamples.from_dataset(Dicts([4, 5]), image_key="scan", label_key="meta.kind")
    assert indices_of(samples) == [0, 1]
    assert samples.labels.tolist() == [4, 5]
    assert FixedSamples.from_dataset(list(torch.zeros(3, 1, 2, 2))).labels is None
    assert FixedSamples.from_dataset(Labelled([1]), label_key=None).labels is None


def random_states() -> tuple[object, ...]:
    return torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()  # noqa: NPY002


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("arguments", [{}, {"per_class": 1}])
def test_reading_leaves_the_random_states_alone(fails, arguments):
    class Noisy(Labelled):
        def __getitem__(self, index: int) -> tuple[Tensor, object]:
            image, label = super().__getitem__(index)
            torch.rand(1), np.random.rand(), random.random()  # noqa: NPY002
            if fails and index == 1:
                raise OSError("disk")
            return image, label

    before = random_states()
    with pytest.raises(OSError, match="disk") if fails else nullcontext():
        FixedSamples.from_dataset(Noisy([0, 1, 2]), **arguments)
    assert random_states() == before


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (ValueError, "indices or per_class, not both", {"indices": [0], "per_class": 1}),
        (ValueError, r"indices must lie in 0\.\.2.*got 3", {"indices": [0, 3]}),
        (ValueError, r"indices must lie in 0\.\.2.*got -1", {"indices": [-1]}),
        (TypeError, "indices must be integers", {"indices": [0.0]}),
        (ValueError, "indices must be .*got none", {"indices": []}),
        (ValueError, "per_class must be at least 1, got 0", {"per_class": 0}),
        (TypeError, "per_class must be an integer, got True", {"per_class": True}),
        (ValueError, "image_key='x'.*tuple of length 2", {"image_key": "x"}),
        (ValueError, "label_key='y'", {"label_key": "y"}),
    ],
)
def test_from_dataset_refuses(error, message, arguments):
    with pytest.raises(error, match=message):
        FixedSamples.from_dataset(Labelled([0, 1, 2]), **arguments)


def test_from_dataset_refuses_what_is_no_image():
    with pytest.raises(ValueError, match=r"item 0 of dataset.*gave Image.*transform missing"):
        FixedSamples.from_dataset(FakeData(2, (3, 4, 4)))
    with pytest.raises(ValueError, match=r"one shape.*\(1, 2, 2\).*\(1, 3, 3\)"):
        FixedSamples.from_dataset([torch.zeros(1, 2, 2), torch.zeros(1, 3, 3)])
    with pytest.raises(ValueError, match="empty"):
        FixedSamples.from_dataset([])


def test_from_dataset_refuses_a_stream():
    class Stream(IterableDataset):
        def __iter__(self):
            yield torch.zeros(1, 2, 2)

    with pytest.raises(TypeError, match=r"dataset must have a length.*Stream"):
        FixedSamples.from_dataset(Stream())


@pytest.mark.parametrize("indices", [None, [1, 3, 4], [4, 0, 2]])
def test_the_number_of_an_item_before_its_label_is_no_label(indices):
    labels = [5, 0, 3, 3, 1]
    items = [(torch.zeros(1, 2, 2), number, label) for number, label in enumerate(labels)]
    wanted = [labels[index] for index in indices or range(5)]
    assert FixedSamples.from_dataset(items, indices).labels.tolist() == wanted
    before = [(image, label, number) for image, number, label in items]
    assert FixedSamples.from_dataset(before, indices).labels.tolist() == wanted
    alone = [(image, number) for image, number, _ in items]
    assert FixedSamples.from_dataset(alone, indices).labels.tolist() == list(indices or range(5))
