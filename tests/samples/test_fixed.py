from __future__ import annotations

import io
import random
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, Subset, TensorDataset
from torchvision import tv_tensors
from torchvision.datasets import FakeData
from torchvision.transforms import v2

from lightning_cnnviz.samples import FixedSamples, SampleSource
from lightning_cnnviz.samples.state import _as_bytes, unbounded


def constant_images(*values: float, channels: int = 1) -> Tensor:
    return torch.stack([torch.full((channels, 2, 2), float(value)) for value in values])


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


def indices_of(samples: FixedSamples) -> list[float]:
    return samples.images[:, 0, 0, 0].tolist()


# What is kept


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


# What is refused

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


# Pictures


def first_pixels(samples: FixedSamples) -> list[list[int]]:
    return [picture[0, 0].tolist() for picture in samples.pictures()]


def test_pictures_undo_the_normalisation_by_channel():
    images = torch.tensor([-1.0, 0.0, 1.0]).view(1, 3, 1, 1)
    samples = FixedSamples(images, mean=[0.5, 0.25, 0.2], std=[0.3, 0.5, 0.2])
    # -1 * 0.3 + 0.5 = 0.2 -> 51; 0.25 -> 63.75; 1 * 0.2 + 0.2 = 0.4 -> 102
    assert first_pixels(samples) == [[51, 64, 102]]


def test_pictures_clip_what_lies_outside():
    samples = FixedSamples(constant_images(-9.0, 9.0), mean=[0.5], std=[0.5])
    assert first_pixels(samples) == [[0] * 3, [255] * 3]


def test_one_number_normalises_all_channels():
    samples = FixedSamples(constant_images(1.0, channels=3), mean=[0.1], std=[0.5])
    assert first_pixels(samples) == [[153] * 3]


def test_pictures_of_values_within_zero_and_one_are_shown_as_they_are():
    samples = FixedSamples(constant_images(0.2, 0.6))
    assert first_pixels(samples) == [[51] * 3, [153] * 3]
    assert samples.display_note() is None


def test_pictures_keep_rows_columns_and_channels_in_place():
    images = torch.zeros(1, 3, 2, 4)
    images[0, 2, 1, 3] = 1
    (picture,) = FixedSamples(images).pictures()
    assert picture.shape == (2, 4, 3)
    assert picture.dtype == np.uint8
    assert np.argwhere(picture).tolist() == [[1, 3, 2]]


def test_unknown_normalisation_scales_each_image_to_its_own_range():
    images = torch.tensor([[-1.0, 0.0, 1.0, 3.0], [10.0, 20.0, 30.0, 20.0]]).view(2, 1, 2, 2)
    samples = FixedSamples(images)
    first, second = (picture[..., 0].tolist() for picture in samples.pictures())
    assert first == [[0, 64], [128, 255]]
    assert second == [[0, 128], [255, 128]]
    assert "own range" in samples.display_note()


def test_constant_image_is_mid_grey_even_with_rounding_noise():
    images = constant_images(5.0, 5.0, -3.0)
    images[1, 0, 0, 1] += 1e-6
    assert [np.unique(picture).tolist() for picture in FixedSamples(images).pictures()] == [[128]] * 3


def test_nan_is_black_and_does_not_spoil_the_rest():
    nan, inf = float("nan"), float("inf")
    images = torch.tensor([[nan, 2.0, 4.0, 3.0], [inf, 2.0, 4.0, -inf], [nan, 7.0, 7.0, 7.0], [nan] * 4])
    pictures = FixedSamples(images.view(4, 1, 2, 2)).pictures()
    assert [picture[..., 0].ravel().tolist() for picture in pictures] == [
        [0, 0, 255, 128],
        [255, 0, 255, 0],
        [0, 128, 128, 128],
        [0, 0, 0, 0],
    ]


def test_nan_in_one_channel_makes_the_pixel_black_instead_of_tinted():
    images = torch.ones(1, 3, 1, 2)
    images[0, 0, 0, 0] = float("nan")
    (picture,) = FixedSamples(images).pictures()
    assert picture.tolist() == [[[0, 0, 0], [255, 255, 255]]]


def test_two_channels_show_their_mean():
    samples = FixedSamples(torch.tensor([0.2, 0.6]).view(1, 2, 1, 1))
    assert first_pixels(samples) == [[102] * 3]
    assert "2 channels" in samples.display_note()


def shades(channels: int) -> Tensor:
    """Every channel a shade of its own, in steps of 10 of 255."""
    return (torch.arange(channels) * 10 / 255).view(1, -1, 1, 1).expand(1, channels, 2, 2)


@pytest.mark.parametrize(
    ("channels", "bands", "expected"),
    [
        (13, (3, 2, 1), [30, 20, 10]),
        (13, np.array([0, 0, 12]), [0, 0, 120]),
        (13, None, [120, 60, 0]),
        (8, None, [70, 30, 0]),
        (4, None, [0, 10, 20]),
        (3, (2, 1, 0), [20, 10, 0]),
    ],
)
def test_three_of_many_channels_are_shown(channels, bands, expected):
    samples = FixedSamples(shades(channels), bands=bands)
    assert first_pixels(samples) == [expected]
    note = samples.display_note()
    assert note is None if bands is not None else f"{channels} channels" in note and "bands=" in note
    assert FixedSamples.from_state_dict(samples.state_dict()).bands == samples.bands


def test_other_bands_do_not_dim_those_that_are_shown():
    images = torch.tensor([5.0, 7.0, 9.0, 1000.0]).view(1, 4, 1, 1)
    assert first_pixels(FixedSamples(images, bands=(0, 1, 2))) == [[0, 128, 255]]


@pytest.mark.parametrize("bands", [(0, 1), (0, 1, 5), (0, 1, 2.0), "012"])
def test_refuses_bands_that_are_not_there(bands):
    with pytest.raises((ValueError, TypeError), match="bands must"):
        FixedSamples(torch.zeros(1, 5, 2, 2), bands=bands)


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


def test_originals_are_displayed_when_given():
    original = np.full((5, 7, 3), 9, dtype=np.uint8)
    samples = FixedSamples(constant_images(-5.0), originals=[original])
    assert np.array_equal(samples.display_pictures()[0], original)
    assert samples.pictures()[0].shape == (2, 2, 3)
    assert samples.display_note() is None


# Filling in


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


# State


@pytest.mark.parametrize(
    "samples",
    [
        FixedSamples(constant_images(0.1, 0.2)),
        FixedSamples(
            constant_images(0.1, 0.2, channels=3),
            torch.tensor([1, 0]),
            class_names=["ä", "b"],
            mean=[0.1, 0.2, 0.3],
            std=[0.4, 0.5, 0.6],
            originals=[np.full((2, 3, 3), 5, dtype=np.uint8), np.full((4, 1, 3), 6, dtype=np.uint8)],
        ),
    ],
)
def test_state_survives_a_checkpoint(samples, tmp_path):
    torch.save(samples.state_dict(), tmp_path / "state.pt")
    restored = FixedSamples.from_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert torch.equal(restored.images, samples.images)
    assert (restored.labels is None) == (samples.labels is None)
    assert samples.labels is None or torch.equal(restored.labels, samples.labels)
    assert (restored.class_names, restored.mean, restored.std) == (samples.class_names, samples.mean, samples.std)
    assert (restored.originals is None) == (samples.originals is None)
    for one, other in zip(restored.originals or (), samples.originals or (), strict=True):
        assert np.array_equal(one, other)


# From a dataset


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


# From files

TO_SMALL = v2.Compose(
    [v2.Resize((2, 2)), v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * 3, [0.5] * 3)]
)


def save(path: Path, size: tuple[int, int], color: tuple[int, ...], mode: str = "RGB", **options: object) -> Path:
    Image.new(mode, size, color).save(path, **options)
    return path


def test_from_files(tmp_path):
    paths = [save(tmp_path / "a.png", (6, 4), (255, 0, 51)), save(tmp_path / "b.png", (3, 5), (0, 102, 0, 255), "RGBA")]
    samples = FixedSamples.from_files([paths[0], str(paths[1])], TO_SMALL, labels=[1, 0], class_names=["x", "y"])
    assert [picture.shape for picture in samples.originals] == [(4, 6, 3), (5, 3, 3)]
    assert samples.display_pictures()[0][0, 0].tolist() == [255, 0, 51]
    assert samples.images[0, :, 0, 0].tolist() == pytest.approx([1, -1, -0.6], abs=1e-6)
    assert [picture[0, 0].tolist() for picture in samples.pictures()] == [[255, 0, 51], [0, 102, 0]]
    assert samples.labels.tolist() == [1, 0]
    assert (samples.mean, samples.std) == ((0.5,) * 3, (0.5,) * 3)


def test_from_files_turns_pictures_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    picture = Image.new("RGB", (2, 1))
    picture.putpixel((0, 0), (255, 0, 0))
    picture.save(tmp_path / "a.png", exif=exif)
    (original,) = FixedSamples.from_files([tmp_path / "a.png"], TO_SMALL).originals
    assert original[..., 0].tolist() == [[255], [0]]


def test_from_files_leaves_the_random_state_alone(tmp_path):
    path = save(tmp_path / "a.png", (4, 4), (9, 9, 9))
    before = torch.get_rng_state()
    FixedSamples.from_files([path], v2.Compose([v2.RandomHorizontalFlip(), TO_SMALL]))
    assert torch.equal(torch.get_rng_state(), before)


def test_from_files_refuses(tmp_path):
    path = save(tmp_path / "a.png", (4, 4), (9, 9, 9))
    wide = save(tmp_path / "wide.png", (8, 4), (9, 9, 9))
    (tmp_path / "notes.txt").write_text("no picture")
    as_is = v2.Compose([v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)])
    with pytest.raises(ValueError, match=r"cannot read .*missing\.png"):
        FixedSamples.from_files([path, tmp_path / "missing.png"], TO_SMALL)
    with pytest.raises(ValueError, match=r"cannot read .*notes\.txt"):
        FixedSamples.from_files([tmp_path / "notes.txt"], TO_SMALL)
    with pytest.raises(TypeError, match="paths must be a sequence"):
        FixedSamples.from_files(str(path), TO_SMALL)
    with pytest.raises(ValueError, match="paths must be a sequence of paths, got none"):
        FixedSamples.from_files([], TO_SMALL)
    with pytest.raises(ValueError, match=r"one shape.*a\.png.*\(3, 4, 4\).*wide\.png.*\(3, 4, 8\)"):
        FixedSamples.from_files([path, wide], as_is)
    with pytest.raises(ValueError, match=r"a\.png.*torch\.uint8"):
        FixedSamples.from_files([path], v2.PILToTensor())
    with pytest.raises(ValueError, match=r"labels must have the shape \(1,\)"):
        FixedSamples.from_files([path], TO_SMALL, labels=[0, 1])


@pytest.mark.slow
def test_a_source_keeps_no_more_than_is_bearable():
    def source(size: int, count: int = 2, dtype=torch.float32):
        taking = SampleSource(count, image_key=0, label_key=1, class_names=None, mean=None, std=None)
        images = torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0)).to(dtype)
        taking.add((images, torch.arange(count)))
        taking.choose()
        return taking, images

    for size, kept in ((64, "exactly"), (1100, "as bytes"), (2000, "not")):
        taking, images = source(size)
        state = taking.state_dict()
        saved = io.BytesIO()
        torch.save(state, saved)
        assert saved.tell() < 17 * 2**20
        assert len(taking.remarks) == (kept != "exactly")
        taking.state_dict()
        assert len(taking.remarks) == (kept != "exactly")
        again = SampleSource(2, image_key=0, label_key=1, class_names=None, mean=None, std=None)
        saved.seek(0)
        assert again.load_state_dict(torch.load(saved, weights_only=True))
        if kept == "not":
            assert again.samples is None
            again.add((images + 1, torch.arange(2)))
            again.choose()
            assert again.differ
        else:
            difference = (again.samples.images - images).abs().max()
            assert difference <= (0 if kept == "exactly" else 0.5 / 255 + 1e-6)
            assert again.state_dict()["fingerprint"] == state["fingerprint"]


def test_bytes_of_normalised_pictures_come_back_exactly():
    codes = torch.arange(256).view(1, 1, 16, 16).expand(2, 3, 16, 16)
    samples = FixedSamples((codes / 255 - 0.5) / 0.25, mean=[0.5] * 3, std=[0.25] * 3)
    restored = unbounded({"images": _as_bytes(samples)})["images"]
    assert torch.allclose(restored, samples.images, atol=1e-6)


def test_what_is_given_on_resume_wins_and_another_number_begins_anew():
    first = SampleSource(2, image_key=0, label_key=1, class_names=["a", "b"], mean=None, std=None)
    first.add((torch.rand(4, 1, 4, 4), torch.tensor([0, 1, 0, 1])))
    first.choose()
    named = SampleSource(2, image_key=0, label_key=1, class_names=["x", "y"], mean=None, std=None)
    assert named.load_state_dict(first.state_dict())
    assert named.samples.class_names == ("x", "y")
    assert "class_names given now" in named.remarks[0]
    more = SampleSource(4, image_key=0, label_key=1, class_names=None, mean=None, std=None)
    assert not more.load_state_dict(first.state_dict())
    assert more.samples is None
    assert "samples=4 replaces the 2 samples" in more.remarks[0]
    for_numbers = SampleSource(4, image_key=0, label_key=1, class_names=None, mean=None, std=None, most=256)
    assert not for_numbers.load_state_dict(first.state_dict())
    assert "up to 256 samples, which views want now, replace the 2 samples" in for_numbers.remarks[0]
