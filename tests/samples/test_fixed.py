"""What FixedSamples keeps, takes, refuses and fills in."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.datasets import FakeData
from torchvision.transforms import v2

from lightning_cnnviz.samples import FixedSamples
from tests.helpers.samples import constant_images, indices_of


def test_keeps_its_own_copies():
    images, labels = constant_images(0.25, 0.5), torch.tensor([0, 1])
    picture = np.full((3, 4, 3), 7, dtype=np.uint8)
    samples = FixedSamples(images, labels, originals=[picture, picture])
    images.zero_()
    labels.zero_()
    picture[:] = 0
    assert indices_of(samples) == [0.25, 0.5]
    assert samples.labels.tolist() == [0, 1]
    assert samples.originals[0].min() == 7


def test_drops_gradient_and_tensor_subclass():
    samples = FixedSamples(tv_tensors.Image(torch.rand(1, 3, 2, 2, requires_grad=True)))
    assert type(samples.images) is Tensor
    assert not samples.images.requires_grad


def test_made_under_inference_mode_can_be_differentiated_later():
    with torch.inference_mode():
        samples = FixedSamples(torch.ones(1, 1, 2, 2) * 3)
    weight = torch.tensor(2.0, requires_grad=True)
    (gradient,) = torch.autograd.grad((samples.images * weight).sum(), weight)
    assert gradient.item() == 12


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int32, torch.int64])
def test_labels_become_int64(dtype):
    samples = FixedSamples(constant_images(0, 0), torch.tensor([1, 0], dtype=dtype))
    assert samples.labels.dtype == torch.int64
    assert samples.labels.tolist() == [1, 0]


def test_length_and_repr():
    samples = FixedSamples(torch.zeros(2, 3, 4, 5), torch.tensor([0, 1]), class_names=["a", "b"], mean=[0.5], std=[1])
    assert len(samples) == 2
    assert repr(samples) == "FixedSamples(2 x (3, 4, 5), labels, 2 class names, normalisation)"
    assert repr(FixedSamples(torch.zeros(1, 1, 1, 1))) == "FixedSamples(1 x (1, 1, 1))"


def test_class_name_falls_back_to_the_index():
    samples = FixedSamples(constant_images(0), class_names=["cat", "dog"])
    assert [samples.class_name(i) for i in (0, 1, 2, -1)] == ["cat", "dog", "2", "-1"]
    assert FixedSamples(constant_images(0)).class_name(0) == "0"


IMAGES = torch.zeros(2, 3, 4, 4)

PICTURE = np.zeros((4, 4, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (TypeError, "images must be a tensor, got ndarray", {"images": np.zeros((1, 3, 4, 4))}),
        (TypeError, r"images must be floating point, got torch.uint8.*/ 255", {"images": IMAGES.byte()}),
        (ValueError, r"images must have the shape .*got \(3, 4, 4\)", {"images": IMAGES[0]}),
        (ValueError, r"N >= 1.*got \(0, 3, 4, 4\)", {"images": IMAGES[:0]}),
        (TypeError, "labels must be a tensor, got list of length 2", {"labels": [0, 1]}),
        (TypeError, "labels must be class indices.*float32", {"labels": torch.zeros(2)}),
        (TypeError, "labels must be class indices.*bool", {"labels": torch.tensor([True, False])}),
        (ValueError, r"labels must have the shape \(2,\).*got \(3,\)", {"labels": torch.tensor([0, 1, 2])}),
        (ValueError, "labels must not be negative, got -1", {"labels": torch.tensor([0, -1])}),
        (ValueError, "labels must be below 2.*got 2", {"labels": torch.tensor([0, 2]), "class_names": ["a", "b"]}),
        (TypeError, "class_names must be a sequence of strings", {"class_names": "cat"}),
        (TypeError, "class_names must be a sequence of strings", {"class_names": [1, 2]}),
        (ValueError, "mean and std must be given together", {"mean": [0.5]}),
        (ValueError, "mean and std must be given together", {"std": [0.5]}),
        (TypeError, "mean and std must be sequences of numbers", {"mean": ["a"], "std": [1.0]}),
        (ValueError, "mean must have 1 or 3 numbers.*got 2", {"mean": [0.5, 0.5], "std": [1.0]}),
        (ValueError, "std must have 1 or 3 numbers.*got 2", {"mean": [0.5], "std": [1.0, 1.0]}),
        (ValueError, "std finite and positive", {"mean": [0.5], "std": [0.0]}),
        (ValueError, "mean must be finite", {"mean": [float("nan")], "std": [1.0]}),
        (ValueError, "originals must be 2 pictures.*got 1", {"originals": [PICTURE]}),
        (TypeError, "originals must be uint8.*float64.* at 1", {"originals": [PICTURE, PICTURE / 255]}),
        (ValueError, r"\(H, W, 3\), got \(4, 4\) at 0", {"originals": [PICTURE[..., 0], PICTURE]}),
    ],
)
def test_refuses(error, message, arguments):
    with pytest.raises(error, match=message):
        FixedSamples(**{"images": IMAGES, **arguments})


@pytest.mark.parametrize("kind", [np.array, torch.tensor, lambda numbers: [torch.tensor(one) for one in numbers]])
def test_numbers_and_names_come_as_arrays(kind):
    samples = FixedSamples(
        torch.zeros(1, 3, 2, 2),
        torch.tensor([1]),
        class_names=np.array(["a", "b"]),
        mean=kind([0.1, 0.2, 0.3]),
        std=kind([1.0, 1.0, 2.0]),
    )
    assert samples.mean == pytest.approx((0.1, 0.2, 0.3))
    assert (samples.std, samples.class_names) == ((1.0, 1.0, 2.0), ("a", "b"))
    assert {type(value) for value in (*samples.mean, *samples.class_names)} == {float, str}
    assert FixedSamples(torch.zeros(1, 3, 2, 2), mean=np.float32(0.5), std=np.int64(2)).std == (2.0,)


def test_class_names_by_index_and_undecodable_ones():
    samples = FixedSamples(torch.zeros(1, 1, 2, 2), class_names={1: "caf\udce9", 0: "\ud83d\ude00"})
    assert samples.class_names == ("\U0001f600", "caf\ufffd")
    samples.class_name(1).encode()
    with pytest.raises(ValueError, match="keys 0 to 1"):
        FixedSamples(torch.zeros(1, 1, 2, 2), class_names={1: "a", 2: "b"})


def test_display_defaults_fill_in_only_what_is_missing():
    samples = FixedSamples(constant_images(0.0), class_names=["own"])
    filled = samples.with_display_defaults(class_names=["other"], mean=[0.1], std=[0.2])
    assert (filled.class_names, filled.mean, filled.std) == (("own",), (0.1,), (0.2,))
    again = filled.with_display_defaults(mean=[0.8], std=[0.9])
    assert (again.mean, again.std) == ((0.1,), (0.2,))
    assert samples.mean is None


def test_display_defaults_that_do_not_fit_are_errors():
    with pytest.raises(ValueError, match="mean must have 1 or 1 numbers"):
        FixedSamples(constant_images(0.0)).with_display_defaults(mean=[0.1] * 3, std=[0.2] * 3)


def test_display_from_a_dataset_leaves_out_what_does_not_fit():
    dataset = FakeData(transform=v2.Normalize([0.1] * 3, [0.2] * 3))
    dataset.classes = ["a", "b"]
    fitting = FixedSamples(torch.zeros(1, 3, 2, 2), torch.tensor([1])).with_display_from(dataset)
    assert (fitting.class_names, fitting.mean) == (("a", "b"), (0.1,) * 3)
    other = FixedSamples(torch.zeros(1, 1, 2, 2), torch.tensor([2])).with_display_from(dataset)
    assert (other.class_names, other.mean, other.std) == (None, None, None)
