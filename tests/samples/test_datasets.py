from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset, TensorDataset, random_split
from torchvision import transforms as v1
from torchvision.datasets import FakeData
from torchvision.datasets.vision import StandardTransform
from torchvision.models import ResNet18_Weights
from torchvision.transforms import v2

from lightning_cnnviz.samples import find_class_names, find_normalization
from lightning_cnnviz.samples.datasets import count_classes

MEAN, STD = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)
NORMALIZE = v2.Normalize(list(MEAN), list(STD))
OTHER = v2.Normalize([0.5] * 3, [0.5] * 3)


class Unreadable(Dataset):
    """Tells what it has as attributes, and must not be read."""

    def __init__(self, **attributes: object) -> None:
        self.__dict__.update(attributes)

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> object:
        raise AssertionError("was read")


class Raising:
    @property
    def dataset(self) -> object:
        raise RuntimeError("not set up")

    transforms = classes = mean = std = dataset

    transform = NORMALIZE


class AnswersEverything:
    def __getattr__(self, name: str) -> AnswersEverything:
        return AnswersEverything()


class AddGaussianNoise:
    mean, std = 0.0, 1.0


class WithStatistics(Unreadable):
    mean, std = MEAN, STD


@pytest.mark.parametrize(
    "thing",
    [
        NORMALIZE,
        v1.Normalize(MEAN, STD),
        v1.Normalize(np.array(MEAN), np.array(STD)),
        v1.Compose([v1.ToTensor(), v1.Normalize(MEAN, STD), v1.RandomErasing()]),
        v2.Compose([v2.PILToTensor(), v2.Compose([NORMALIZE]), AddGaussianNoise()]),
        nn.Sequential(v2.RandomHorizontalFlip(), NORMALIZE),
        v1.Compose([nn.ModuleList([NORMALIZE])]),
        StandardTransform(v1.Compose([NORMALIZE]), None),
        FakeData(transform=v2.Compose([NORMALIZE])),
        DataLoader(FakeData(transform=NORMALIZE)),
        Subset(Subset(FakeData(transform=NORMALIZE), [0, 1, 2]), [0]),
        random_split(Unreadable(transform=NORMALIZE), [4, 6])[1],
        ConcatDataset([FakeData(transform=NORMALIZE), FakeData(transform=NORMALIZE)]),
        ConcatDataset([FakeData(transform=NORMALIZE), FakeData(transform=v1.Normalize(MEAN, STD))]),
        Unreadable(dataset=Unreadable(), transform=NORMALIZE),
        WithStatistics(),
        WithStatistics(transform=NORMALIZE),
        Unreadable(dataset=[WithStatistics()] * 1000, transform=NORMALIZE),
        Raising(),
    ],
)
def test_finds_the_normalisation(thing):
    assert find_normalization(thing) == (pytest.approx(MEAN), pytest.approx(STD))


def test_numbers_and_tensors_become_tuples_of_float():
    class Normalise:
        mean, std = 0, torch.tensor([[0.5]])

    mean, std = find_normalization(Normalise())
    assert (mean, std) == ((0.0,), (0.5,))
    assert type(mean[0]) is float


def test_finds_the_normalisation_of_a_preset():
    mean, std = find_normalization(ResNet18_Weights.DEFAULT.transforms())
    assert (mean, std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.mark.parametrize(
    "thing",
    [
        None,
        3,
        "dataset",
        torch.zeros(3),
        np.zeros(3),
        lambda picture: picture,
        FakeData(),
        FakeData(transform=v2.PILToTensor()),
        TensorDataset(torch.zeros(2, 3, 4, 4)),
        AddGaussianNoise(),
        nn.BatchNorm2d(3),
        v2.Compose([NORMALIZE, OTHER]),
        v2.Compose([NORMALIZE, v1.Normalize(MEAN, STD)]),
        Unreadable(dataset=FakeData(transform=NORMALIZE), transform=OTHER),
        ConcatDataset([FakeData(transform=NORMALIZE), FakeData(transform=OTHER)]),
        ConcatDataset([FakeData(transform=NORMALIZE), FakeData()]),
        ConcatDataset([FakeData(), FakeData(transform=NORMALIZE)]),
        v1.Normalize([0.5], [0.0]),
        v1.Normalize([float("nan")], [1.0]),
        v1.Normalize([], []),
        AnswersEverything(),
    ],
)
def test_no_normalisation_or_not_one(thing):
    assert find_normalization(thing) is None


def test_survives_cycles():
    first, second = Unreadable(), Unreadable()
    first.dataset, second.dataset = second, first
    assert find_normalization(first) is None
    assert find_class_names(first) is None
    second.transform, second.classes = v1.Compose([NORMALIZE]), ["a"]
    second.transform.transforms.append(second.transform)
    assert find_normalization(first) == (MEAN, STD)
    assert find_class_names(first) == ("a",)


NAMED = Unreadable(classes=["cat", "dog"])


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        (NAMED, ("cat", "dog")),
        (Unreadable(classes=("0 - zero", "1 - one")), ("0 - zero", "1 - one")),
        (Unreadable(classes=[("tench", "Tinca tinca"), ("goldfish",)]), ("tench, Tinca tinca", "goldfish")),
        (Unreadable(classes=[3, 7]), ("3", "7")),
        (Subset(NAMED, [0]), ("cat", "dog")),
        (random_split(NAMED, [5, 5])[0], ("cat", "dog")),
        (DataLoader(NAMED), ("cat", "dog")),
        (ConcatDataset([NAMED, Unreadable(classes=["cat", "dog"])]), ("cat", "dog")),
        (ConcatDataset([NAMED, Subset(NAMED, [0])]), ("cat", "dog")),
        (ConcatDataset([NAMED, Unreadable(classes=["dog", "cat"])]), None),
        (ConcatDataset([NAMED, Unreadable()]), None),
        (Unreadable(dataset=NAMED, classes=["animal"]), ("animal",)),
        (Unreadable(CLASSES=("cat", "dog")), ("cat", "dog")),
        (Unreadable(class_names=np.array(["cat", "dog"])), ("cat", "dog")),
        (Unreadable(class_to_idx={"dog": 1, "cat": 0}), ("cat", "dog")),
        (Unreadable(config=Unreadable(id2label={1: "dog", 0: "cat"})), ("cat", "dog")),
        (Unreadable(model=Unreadable(config=Unreadable(id2label={0: "cat", 1: "dog"}))), ("cat", "dog")),
        (Unreadable(config=Unreadable(id2label={0: "LABEL_0", 1: "LABEL_1"})), None),
        (Unreadable(features={"label": Unreadable(names=["cat", "dog"])}), ("cat", "dog")),
        (Unreadable(base_dataset=Subset(NAMED, [0])), ("cat", "dog")),
        (Unreadable(classes=2, ds=NAMED), ("cat", "dog")),
        (FakeData(), None),
        (Unreadable(classes=[]), None),
        (Unreadable(classes=10), None),
        (Unreadable(classes="abc"), None),
        (Raising(), None),
        (AnswersEverything(), None),
        (None, None),
    ],
)
def test_class_names(dataset, expected):
    assert find_class_names(dataset) == expected


def test_counts_classes_without_reading():
    assert count_classes(NAMED) == 2
    assert count_classes(Subset(Unreadable(targets=[0, 4, 4, 2]), [0])) == 3
    assert count_classes(TensorDataset(torch.zeros(4, 1), torch.tensor([0, 1, 1, 5]))) == 3
    assert count_classes(TensorDataset(torch.zeros(4, 1), torch.tensor([0.5, 1, 1, 5]))) is None
    assert count_classes(AnswersEverything()) is None
