"""What a checkpoint keeps of samples, how large it may be, and what comes back."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch

from lightning_cnnviz.samples import FixedSamples, SampleSource, Truth, same_samples
from lightning_cnnviz.samples.state import _as_bytes, bounded, size_of, unbounded
from tests.helpers.samples import constant_images

MIB = 2**20


def of_bytes(count: int) -> FixedSamples:
    """Images of grey levels of bytes, which take so many bytes as floating point."""
    levels = torch.arange(count // 4) % 256
    return FixedSamples(levels.reshape(1, 1, 64, -1) / 255, mean=[0.0], std=[1.0])


def test_sixteen_mebibytes_are_kept_as_they_are_and_one_pixel_more_as_bytes() -> None:
    kept, told = bounded(of_bytes(16 * MIB))
    assert kept is not None
    assert isinstance(kept["images"], torch.Tensor)
    assert told is None

    samples = of_bytes(16 * MIB + 4 * 64)
    kept, told = bounded(samples)
    assert kept is not None
    assert told is not None
    assert "would take 16 MB in every checkpoint: they are kept as bytes" in told
    assert 4 * MIB < size_of(kept) < 4 * MIB + 1000
    again = FixedSamples.from_state_dict(unbounded(kept))
    assert again.images.dtype == torch.float32
    torch.testing.assert_close(again.images, samples.images, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("mebibytes", "is_kept"), [(63, True), (65, False)])
def test_what_is_too_large_even_as_bytes_is_not_kept(mebibytes: int, is_kept: bool) -> None:
    kept, told = bounded(of_bytes(mebibytes * MIB))
    assert (kept is not None) == is_kept
    assert told is not None
    assert ("are not kept there" in told) != is_kept
    assert f"{mebibytes} MB" in told


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
            assert again.remarks == [
                "the samples are others than those of the checkpoint: what views remember of them begins anew"
            ]
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


OTHERWISE = {
    "labels": torch.tensor([1, 0]),
    "class_names": ["ant", "cow"],
    "mean": [0.5],
    "std": [0.25],
    "originals": [np.ones((4, 4, 3), np.uint8)] * 2,
    "regions": torch.ones(2, 4, 4, dtype=torch.bool),
    "perturbed": {"dark": torch.zeros(2, 1, 4, 4)},
    "truth": Truth("values", torch.zeros(2, 1)),
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_samples_are_the_same_where_a_look_could_see_no_difference(name: str) -> None:
    given = {
        "images": torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0)),
        "labels": torch.tensor([0, 1]),
    }
    given |= {"class_names": ["ant", "bee"], "mean": [0.0], "std": [1.0]}
    if name == "truth":
        del given["labels"]
    first = FixedSamples(**given)
    assert same_samples(first, FixedSamples(**given))
    assert same_samples(first, FixedSamples.from_state_dict(first.state_dict()))
    assert not same_samples(first, FixedSamples(**{**given, name: OTHERWISE[name]}))
    assert not same_samples(first, first.chosen([0]))
