"""Pictures as the bytes of a file."""

from __future__ import annotations

import struct

import numpy as np

from lightning_cnnviz.output.artifacts import RGB, PictureFormat, check_rgb

_JPEG_QUALITY = 90
_JPEG_MAX_SIDE = 65_500
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_EIGHT_BITS, _TRUE_COLOR = 8, 2
_UP = 2
_COMPRESSION_LEVEL = 1  # level 2 saves less than 1%, level 3 nothing


def encode(image: RGB, picture_format: PictureFormat = "png") -> bytes:
    """A picture (H, W, 3) as PNG, or as JPEG of quality 90 unless it is larger than a JPEG can be.

    Raises:
        ValueError: it is no such picture.
    """
    check_rgb(image)
    if picture_format == "smallest":
        return min(encode(image, "png"), encode(image, "jpeg"), key=len)
    if picture_format == "png" or max(image.shape) > _JPEG_MAX_SIDE:
        return _png(image)
    return _jpeg(image)


def file_extension(encoded: bytes) -> str:
    """How the name of a file with this encoded picture ends: ``png`` or ``jpeg``."""
    return "png" if encoded.startswith(_PNG_SIGNATURE) else "jpeg"


def _png(image: RGB) -> bytes:
    """PNG (ISO/IEC 15948) with one filter for all rows, five to ten times as fast as OpenCV and Pillow write it."""
    from isal import isal_zlib  # noqa: PLC0415 - here and below, because importing the package should cost little

    height, width, _ = image.shape
    pixels = np.ascontiguousarray(image).reshape(height, 3 * width)
    rows = np.empty((height, 1 + 3 * width), np.uint8)
    # Each row as its difference from the one above: our pictures are made of rectangles.
    rows[:, 0] = _UP
    rows[0, 1:] = pixels[0]
    np.subtract(pixels[1:], pixels[:-1], out=rows[1:, 1:])
    header = struct.pack(">2I5B", width, height, _EIGHT_BITS, _TRUE_COLOR, 0, 0, 0)
    chunks = {b"IHDR": header, b"IDAT": isal_zlib.compress(rows, _COMPRESSION_LEVEL), b"IEND": b""}
    return _PNG_SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", isal_zlib.crc32(data, isal_zlib.crc32(kind)))
        for kind, data in chunks.items()
    )


def _jpeg(image: RGB) -> bytes:
    import cv2  # noqa: PLC0415

    bgr = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpeg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return encoded.tobytes()
