"""Samples out of files of pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from lightning_cnnviz.samples import FixedSamples

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
