from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_cnnviz.samples import FixedSamples, SampleCollector


def batch(values: list[float], labels: list[int] | None = None) -> tuple[Tensor, ...]:
    """Images of 1x2x2 pixels, each filled with its value."""
    images = torch.tensor(values, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 1, 2, 2).clone()
    return (images,) if labels is None else (images, torch.tensor(labels))


def collected(count: int, *batches: object) -> tuple[list[float], list[int] | None]:
    collector = SampleCollector(count)
    for one in batches:
        collector.add(one)
    samples = collector.finish()
    return samples.images[:, 0, 0, 0].tolist(), None if samples.labels is None else samples.labels.tolist()


def test_goes_round_the_classes_in_ascending_order():
    values, labels = collected(5, batch([1, 2, 3, 4, 5, 6], [1, 1, 1, 0, 2, 0]))
    assert labels == [0, 1, 2, 0, 1]
    assert values == [4, 1, 5, 6, 2]


def test_later_batches_bring_missing_classes():
    values, labels = collected(3, batch([1, 2, 3], [9, 9, 9]), batch([4, 5], [9, 3]), batch([6], [5]))
    assert labels == [3, 5, 9]
    assert values == [5, 6, 1]


def test_more_classes_than_samples_takes_the_smallest_labels():
    values, labels = collected(2, batch([1, 2, 3], [7, 8, 9]), batch([4, 5], [0, 7]))
    assert labels == [0, 7]
    assert values == [4, 1]


def test_the_split_into_batches_does_not_matter():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (40,), generator=generator).tolist()
    values = [float(i) for i in range(40)]
    whole = collected(7, batch(values, labels))
    pieces = [batch(values[i : i + 3], labels[i : i + 3]) for i in range(0, 40, 3)]
    assert collected(7, *pieces) == whole
    assert whole[1] == [0, 1, 2, 3, 0, 1, 2]


def test_without_labels_the_first_ones():
    assert collected(3, batch([1, 2]), batch([3, 4])) == ([1, 2, 3], None)


def test_labelled_images_are_preferred():
    assert collected(3, batch([1, 2, 3]), batch([4, 5], [0, 0])) == ([4, 5], [0, 0])


def test_fewer_than_asked():
    assert collected(8, batch([1], [4])) == ([1], [4])


def test_images_of_another_shape_are_passed_over():
    assert collected(3, batch([1], [0]), (torch.zeros(1, 1, 3, 3), torch.tensor([1])), batch([2], [2])) == (
        [1, 2],
        [0, 2],
    )


def test_is_not_changed_by_what_happens_to_the_batch_later():
    images, labels = batch([1, 2], [0, 1])
    collector = SampleCollector(2)
    collector.add((images, labels))
    images.zero_()
    labels.zero_()
    samples = collector.finish()
    assert samples.images[:, 0, 0, 0].tolist() == [1, 2]
    assert samples.labels.tolist() == [0, 1]


def test_holds_no_more_than_it_may_choose():
    collector = SampleCollector(3)
    for label in range(50):
        collector.add(batch([0.0] * 4, [label] * 4))
    kept = [value for value in vars(collector).values() if isinstance(value, list)]
    assert sum(map(len, kept)) == 3
    image = kept[0][0].image
    assert image.untyped_storage().nbytes() == image.numel() * image.element_size()


def test_collected_under_inference_mode_can_be_differentiated_later():
    collector = SampleCollector(1)
    with torch.inference_mode():
        collector.add(batch([3.0], [0]))
        samples = collector.finish()
    weight = torch.tensor(2.0, requires_grad=True)
    assert torch.autograd.grad((samples.images * weight).sum(), weight)[0].item() == 12


def test_draws_no_random_numbers():
    before = torch.get_rng_state()
    collected(2, batch([1, 2, 3], [0, 0, 1]))
    assert torch.equal(torch.get_rng_state(), before)


def test_keys_and_display_facts_are_handed_on():
    images, labels = batch([0.5], [1])
    collector = SampleCollector(1, image_key="scan", label_key="kind")
    collector.add({"scan": images, "kind": labels})
    samples = collector.finish(class_names=["a", "b"], mean=[0.1], std=[0.2])
    assert samples.labels.tolist() == [1]
    assert (samples.class_names, samples.mean, samples.std) == (("a", "b"), (0.1,), (0.2,))


def test_empty():
    collector = SampleCollector(2)
    assert collector.empty
    with pytest.raises(ValueError, match="no image has been added"):
        collector.finish()
    collector.add(torch.zeros(0, 1, 2, 2))
    assert collector.empty
    collector.add(torch.zeros(1, 1, 2, 2))
    assert not collector.empty


def test_a_batch_without_images_is_an_error():
    with pytest.raises(ValueError, match="image_key=0"):
        SampleCollector(2).add({"text": "hello"})


@pytest.mark.parametrize(("count", "error"), [(0, ValueError), (-1, ValueError), (True, TypeError), (2.0, TypeError)])
def test_refuses_a_count_that_is_none(count, error):
    with pytest.raises(error, match="count must be"):
        SampleCollector(count)


@pytest.mark.parametrize(
    ("shape", "most", "expected"),
    [
        ((1, 8, 8), 256, 256),  # 256 images of 256 bytes
        ((3, 64, 64), 256, 170),  # 8 MB hold 170.7 images of 48 kB
        ((3, 224, 224), 256, 32),  # 8 MB hold 13, which are fewer than wanted
        ((1, 8, 8), None, 32),
    ],
)
def test_takes_more_of_small_images(shape, most, expected):
    collector = SampleCollector(32, most=most)
    collector.add((torch.zeros(3, *shape), torch.arange(3)))
    assert collector.count == expected


def test_some_of_the_samples_keep_what_belongs_to_them():
    images = torch.rand(4, 1, 6, 6)
    samples = FixedSamples(
        images,
        torch.tensor([3, 2, 1, 0]),
        class_names=["a", "b", "c", "d"],
        originals=[np.full((5, 7, 3), shade, np.uint8) for shade in range(4)],
        original_boxes=torch.tensor([[0, 0, 7, 5 - index] for index in range(4)]),
        regions=torch.tensor([[0, 0, index + 1, 2] for index in range(4)]),
        perturbed={"dark": -images},
    )
    chosen = samples.chosen([2, 0])
    assert torch.equal(chosen.images, images[[2, 0]])
    assert torch.equal(chosen.perturbed["dark"], -images[[2, 0]])
    assert chosen.labels.tolist() == chosen.truth.labels.tolist() == [1, 3]
    assert [int(picture[0, 0, 0]) for picture in chosen.originals] == [2, 0]
    assert chosen.original_boxes[:, 3].tolist() == [3, 5]
    assert chosen.regions.sum(dim=(1, 2)).tolist() == [6, 2]
    assert chosen.class_names == samples.class_names
    with pytest.raises(IndexError):
        samples.chosen([4])


@pytest.mark.parametrize("none", [-1, -100])
def test_an_image_that_losses_pass_over_has_no_class(none):
    first, second = batch([1, 2, 3], [0, none, 3]), batch([4, 5], [none, 2])
    assert collected(8, first, second) == ([1, 5, 3], [0, 2, 3])
    assert collected(8, batch([1, 2], [none, none])) == ([1, 2], None)


@pytest.mark.parametrize("labels", [[-1, 1, 1], [-1, 0, -100], [-5, 0, 2]])
def test_other_negative_numbers_are_no_gaps(labels):
    assert collected(8, batch([1, 2, 3], labels)) == ([1, 2, 3], None)


def test_a_batch_without_images_brings_nothing():
    assert collected(8, batch([], []), batch([1], [0])) == ([1], [0])


CLASSES = [0, 7, 4, 1]


def test_sample_numbers_in_batches_of_one_are_no_labels():
    numbered = [(*batch([value], [value]), torch.tensor([label])) for value, label in enumerate(CLASSES)]
    assert collected(4, *numbered) == ([0, 1, 2, 3], CLASSES)
    later = [(*batch([value], [value + 30]), ["a.png"], torch.tensor([label])) for value, label in enumerate(CLASSES)]
    assert collected(4, *later) == ([0, 1, 2, 3], CLASSES)


@pytest.mark.parametrize("labels", [[0, 1, 2, 4], [3, 2, 1, 0], [1, 1, 1, 1]])
def test_labels_before_another_number_stay_labels(labels):
    beside = [(*batch([value], [label]), torch.tensor([9])) for value, label in enumerate(labels)]
    assert collected(4, *beside)[1] == sorted(labels)
    behind = [(*batch([value], [label]), torch.tensor([value])) for value, label in enumerate(CLASSES)]
    assert collected(4, *behind)[1] == sorted(CLASSES)


def test_labels_that_count_up_with_nothing_behind_them_are_labels():
    assert collected(4, *[batch([value], [value]) for value in range(4)])[1] == [0, 1, 2, 3]
    assert collected(2, *[(*batch([value], [value]), torch.tensor([5])) for value in range(2)])[1] == [0, 1]
