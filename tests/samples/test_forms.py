"""Images of other forms than (N, C, H, W) floating point."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lightning_cnnviz import FixedSamples, Predictions, explain
from lightning_cnnviz.samples import read_batch


def test_bytes_become_floats_of_the_same_values():
    pixels = torch.arange(48, dtype=torch.uint8).view(1, 3, 4, 4)
    found = read_batch((pixels, torch.tensor([1])))
    assert found.images.dtype == torch.float32
    assert torch.equal(found.images, pixels.float())
    assert torch.equal(found.form.restore(found.images), pixels)
    assert found.form.restore(found.images).dtype == torch.uint8


def test_channels_come_first():
    pixels = torch.rand(2, 12, 10, 3)
    found = read_batch((pixels, torch.tensor([1, 0])))
    assert torch.equal(found.images, pixels.permute(0, 3, 1, 2))
    assert torch.equal(found.form.restore(found.images), pixels)
    assert torch.equal(read_batch((pixels.numpy(),)).images, found.images)


def test_the_first_of_several_frames():
    frames = torch.rand(2, 5, 3, 8, 8)
    found = read_batch((frames, torch.tensor([1, 0])))
    assert torch.equal(found.images, frames[:, 0])
    assert found.form.restore(found.images).shape == frames.shape
    last = frames.permute(0, 1, 3, 4, 2)
    assert torch.equal(read_batch((last,)).images, frames[:, 0])


def test_a_list_of_images_of_one_size_is_a_batch() -> None:
    """As detectors take them, beside a list of boxes."""
    images = list(torch.rand(3, 3, 6, 8))
    boxes = [{"boxes": torch.tensor([[0.0, 0, 2, 3]]), "labels": torch.tensor([1])}] * 3
    batch = read_batch((images, boxes))
    assert torch.equal(batch.images, torch.stack(images))
    assert batch.truth is not None
    assert batch.truth.kind == "boxes"
    with pytest.raises(ValueError, match="image_key=0 gave list of length 2"):
        read_batch(([images[0], torch.rand(3, 8, 8)], boxes[:2]))


@pytest.mark.parametrize(
    ("shape", "told", "given", "forward"),
    [
        (
            (8, 8),
            r"images without a channel, samples=FixedSamples\(images\[:, None\], labels\)",
            lambda images: images[:, None],
            lambda model, images: model(images[:, 0]),
        ),
        (
            (64,),
            r"flat images, samples=FixedSamples\(images.view\(-1, C, H, W\), labels\)",
            lambda images: images.view(-1, 1, 8, 8),
            lambda model, images: model(images.flatten(1)),
        ),
    ],
)
def test_what_is_said_of_images_of_fewer_dimensions_helps(shape, told, given, forward):
    images = torch.rand(3, *shape)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    with pytest.raises(ValueError, match=told):
        read_batch((images, torch.tensor([0, 1, 1])))
    shown = explain(model, FixedSamples(given(images)), [Predictions()], forward=forward).arrays["predictions"]
    torch.testing.assert_close(shown, model(images).softmax(dim=1).detach())


def test_images_of_several_sizes_need_samples_of_one() -> None:
    with pytest.raises(ValueError, match=r"images of several sizes need samples=FixedSamples"):
        read_batch(([torch.rand(3, 6, 8), torch.rand(3, 8, 8)], torch.tensor([0, 1])))


def test_clips_of_three_channels_and_few_frames_are_no_views() -> None:
    for frames in (2, 4, 8):
        with pytest.raises(ValueError, match="volumes cannot be drawn"):
            read_batch((torch.rand(2, 3, frames, 8, 8),))
    assert read_batch((torch.rand(2, 4, 3, 8, 8),)).form.views == 4
