"""The checksums of TensorBoard's event files, computed in C."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import FileWriter


def use_fast_checksums(file_writer: FileWriter) -> None:
    """Lets a writer compute its checksums in C; the bytes in its file stay the same.

    TensorBoard computes a CRC of every byte in pure Python, a tenth of a second for a megabyte, during which no other
    Python code runs, training included. A writer that is built otherwise than expected is left as it is.
    """
    with suppress(Exception):  # whatever is missing: the checksums of TensorBoard are as good, only slow
        import google_crc32c  # noqa: PLC0415 - importing the package should cost next to nothing
        from tensorboard.summary.writer.record_writer import RecordWriter  # noqa: PLC0415

        records: Any = file_writer.event_writer._async_writer._writer
        if type(records) is RecordWriter and google_crc32c.implementation == "c":
            file = records._writer
            records.write = lambda data: file.write(record(data))


def record(data: bytes) -> bytes:
    """One record of TensorFlow's TFRecord format: length, its checksum, data, its checksum."""
    length = struct.pack("<Q", len(data))
    return b"".join([length, _masked_checksum(length), data, _masked_checksum(data)])


def _masked_checksum(data: bytes) -> bytes:
    import google_crc32c  # noqa: PLC0415

    checksum: int = google_crc32c.value(data)
    # Rotated and shifted by a constant, because a CRC of data that contains CRCs has weaknesses.
    rotated = (checksum >> 15 | checksum << 17) & 0xFFFFFFFF
    return struct.pack("<I", (rotated + 0xA282EAD8) & 0xFFFFFFFF)
