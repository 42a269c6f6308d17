from __future__ import annotations

import pytest
import torch

from lightning_cnnviz.samples import Background, FixedSamples, Mark, Occlusion, Patch, Recolor

GREY = torch.full((2, 3, 10, 20), 0.5)
NORMALIZED = FixedSamples((GREY - 0.25) / 0.5, torch.tensor([1, 0]), class_names=["a", "b"], mean=[0.25], std=[0.5])
BOXES = torch.tensor([[0, 0, 5, 5], [10, 5, 20, 10]])


def test_a_mark_is_white_in_a_corner_and_touches_nothing_else():
    copy = Mark(size=0.2, at="top right")(NORMALIZED)
    changed = (copy != NORMALIZED.images).any(dim=1)
    assert changed.nonzero().tolist() == [[n, row, column] for n in (0, 1) for row in (0, 1) for column in (18, 19)]
    assert copy[0, :, 0, 19].tolist() == [1.5, 1.5, 1.5]  # (1 - 0.25) / 0.5


@pytest.mark.parametrize(
    ("at", "row", "column"),
    [("top left", 0, 0), ("bottom left", 8, 0), ("bottom right", 8, 18), ("center", 4, 9)],
)
def test_corners(at, row, column):
    changed = (Mark(size=0.2, at=at)(NORMALIZED) != NORMALIZED.images)[0, 0].nonzero()
    assert changed[0].tolist() == [row, column]
    assert len(changed) == 4


def test_a_patch_is_laid_where_it_is_said():
    pixels = torch.tensor([[[0.0, 1.0], [0.25, 0.75]]])
    copy = Patch(pixels, (3, 7))(NORMALIZED)
    assert copy[1, 2, 3:5, 7:9].tolist() == [[-0.5, 1.5], [0.0, 1.0]]
    with pytest.raises(ValueError, match=r"inside the images of 10 × 20"):
        Patch(pixels, (9, 7))(NORMALIZED)
    with pytest.raises(ValueError, match="1 or 3 channels, got 2"):
        Patch(pixels.expand(2, 2, 2), (3, 7))(NORMALIZED)


def test_samples_carry_their_copies():
    samples = NORMALIZED.with_patch(torch.zeros(1, 2, 2), name="stamp").with_perturbed(mark=Mark(), same=GREY)
    assert list(samples.perturbed) == ["stamp", "mark", "same"]
    assert torch.equal(samples.images, NORMALIZED.images)
    assert torch.equal(samples.perturbed["same"], GREY)
    alone = samples.perturbed_samples("stamp")
    assert torch.equal(alone.images, samples.perturbed["stamp"])
    assert (alone.labels.tolist(), alone.class_names, alone.mean) == ([1, 0], ("a", "b"), (0.25,))
    assert alone.perturbed == {}
    assert torch.equal(FixedSamples.from_state_dict(samples.state_dict()).perturbed["mark"], samples.perturbed["mark"])
    with pytest.raises(ValueError, match=r"no perturbed copy 'x': there are \['stamp', 'mark', 'same'\]"):
        samples.perturbed_samples("x")


def test_occlusion_covers_a_box_or_the_object():
    images = torch.rand(2, 1, 10, 20, generator=torch.Generator().manual_seed(0))
    samples = FixedSamples(images, regions=BOXES)
    copy = Occlusion((0.5, 0.0, 1.0, 0.5), fill=0.0)(samples)
    assert copy[:, :, :5, 10:].abs().max() == 0
    assert torch.equal(copy[:, :, 5:], images[:, :, 5:])
    copy = Occlusion()(samples)
    assert torch.allclose(copy[0, 0, :5, :5], images[0].mean().expand(5, 5))
    assert torch.equal(copy[0, 0, 5:], images[0, 0, 5:])
    assert torch.allclose(copy[1, 0, 5:, 10:], images[1].mean().expand(5, 10))


def test_background_leaves_the_object_and_samples_without_one():
    images = torch.rand(2, 1, 10, 20, generator=torch.Generator().manual_seed(0))
    regions = torch.zeros(2, 10, 20, dtype=torch.bool)
    regions[0, 2:4, 3:9] = True
    copy = Background(fill=1.0)(FixedSamples(images, regions=regions))
    assert torch.equal(copy[0, 0, 2:4, 3:9], images[0, 0, 2:4, 3:9])
    assert copy[0, 0, 4:].min() == 1
    assert torch.equal(copy[1], images[1])
    with pytest.raises(ValueError, match="needs samples with regions"):
        Background()(NORMALIZED)


def test_recoloring_happens_in_the_values_of_a_picture():
    shades = torch.tensor([0.1, 0.2, 0.6]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    mean, std = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.1, 0.2, 0.4])
    samples = FixedSamples(
        (shades - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1), mean=mean.tolist(), std=std.tolist()
    )
    grey = (Recolor()(samples)[0, :, 0, 0] * std + mean).tolist()
    assert grey == pytest.approx([0.3] * 3, abs=1e-6)
    turned = (Recolor((2, 0, 1))(samples)[0, :, 0, 0] * std + mean).tolist()
    assert turned == pytest.approx([0.6, 0.1, 0.2], abs=1e-6)
    with pytest.raises(ValueError, match="order must hold each of the channels 0 to 2 once"):
        Recolor((0, 0, 1))(samples)
    with pytest.raises(ValueError, match="more than one channel"):
        Recolor()(FixedSamples(torch.zeros(1, 1, 2, 2)))


def test_without_a_normalisation_black_and_white_are_the_extremes_of_the_samples():
    samples = FixedSamples(torch.tensor([-2.0, 6.0]).view(2, 1, 1, 1).expand(2, 1, 8, 8))
    assert Mark(at="center", fill=1.0)(samples)[0, 0, 3, 3] == 6
    assert Mark(at="center", fill=0.25)(samples)[0, 0, 3, 3] == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Mark(size=0), "size must be above 0"),
        (lambda: Mark(at="middle"), "at='middle': allowed are 'top left'"),
        (lambda: Patch(torch.zeros(2, 2)), r"shape \(C, h, w\)"),
        (lambda: Occlusion((0.5, 0, 0.2, 1)), "box must be"),
        (lambda: NORMALIZED.with_perturbed(a=GREY[:1]), r"perturbed\['a'\] must be"),
        (lambda: NORMALIZED.with_patch(at=(0, 0)), "needs a patch"),
        (lambda: Mark(fill=(1.0, 0.0))(NORMALIZED), "fill must have 1 or 3 numbers"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()
