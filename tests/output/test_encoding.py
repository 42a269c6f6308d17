from __future__ import annotations

import io
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from lightning_cnnviz.output.artifacts import RGB
from lightning_cnnviz.output.encoding import encode, file_extension
from lightning_cnnviz.output.record_setup import Setup

RANDOM = np.random.default_rng(0)


def noise(height: int, width: int) -> RGB:
    return RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8)


def read_by_opencv(encoded: bytes) -> RGB:
    bgr = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 7), (7, 1), (3, 5), (300, 411)])
def test_a_png_holds_every_pixel(height: int, width: int) -> None:
    picture = noise(height, width)
    encoded = encode(picture)
    with Image.open(io.BytesIO(encoded)) as read_by_pillow:
        assert (read_by_pillow.format, read_by_pillow.mode) == ("PNG", "RGB")
        assert np.array_equal(np.asarray(read_by_pillow), picture)
    assert np.array_equal(read_by_opencv(encoded), picture)


@pytest.mark.parametrize("view", [np.s_[::-1], np.s_[:, ::2], np.s_[..., ::-1], np.s_[3:5, 2:4]])
def test_a_view_of_an_array_is_encoded_as_it_looks(view: object) -> None:
    picture = noise(9, 8)[view]  # type: ignore[index]
    assert np.array_equal(read_by_opencv(encode(picture)), picture)


def test_a_png_has_sound_checksums() -> None:
    encoded = encode(noise(20, 30))
    position, kinds = 8, []
    while position < len(encoded):
        length = int.from_bytes(encoded[position : position + 4], "big")
        kind_and_data = encoded[position + 4 : position + 8 + length]
        checksum = int.from_bytes(encoded[position + 8 + length : position + 12 + length], "big")
        assert checksum == zlib.crc32(kind_and_data)
        kinds.append(kind_and_data[:4])
        position += 12 + length
    assert kinds == [b"IHDR", b"IDAT", b"IEND"]


def test_what_our_pictures_are_made_of_becomes_small() -> None:
    picture = np.full((400, 600, 3), 255, np.uint8)
    picture[100:300, 100:500] = np.repeat(noise(1, 400), 200, axis=0)
    assert len(encode(picture)) < picture.size / 100


def test_a_jpeg_is_much_the_same_and_smaller() -> None:
    picture = cv2.GaussianBlur(noise(200, 300), (0, 0), 8).astype(np.uint8)
    encoded = encode(picture, "jpeg")
    assert np.abs(read_by_opencv(encoded).astype(int) - picture).max() < 8
    assert len(encoded) < len(encode(picture)) / 2


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((4, 4, 1), np.uint8), np.zeros((0, 4, 3), np.uint8)],
)
def test_what_is_no_picture_is_refused(image: RGB) -> None:
    with pytest.raises(ValueError, match=r"image must be uint8 of shape \(H, W, 3\), got (uint8|float64) of shape"):
        encode(image)


def blurred() -> RGB:
    """As smooth as a photograph, which JPEG makes smaller."""
    return cv2.GaussianBlur(noise(200, 300), (0, 0), 8).astype(np.uint8)


def rectangles() -> RGB:
    """As even as a map, which PNG makes smaller."""
    return np.repeat(np.repeat(noise(4, 6), 50, axis=0), 50, axis=1)


def test_the_smallest_is_chosen_picture_by_picture() -> None:
    for picture, chosen in ((blurred(), "jpeg"), (rectangles(), "png")):
        encoded = encode(picture, "smallest")
        assert file_extension(encoded) == chosen
        assert len(encoded) == min(len(encode(picture, "png")), len(encode(picture, "jpeg")))


def test_too_large_for_a_jpeg_is_still_a_png() -> None:
    encoded = encode(np.zeros((65_501, 2, 3), np.uint8), "smallest")
    assert file_extension(encoded) == "png"


def test_a_record_holds_each_picture_in_the_smaller_format() -> None:
    _, *encoded = Setup([blurred(), rectangles()], picture_format="smallest").blobs
    assert [file_extension(one) for one in encoded] == ["jpeg", "png"]
