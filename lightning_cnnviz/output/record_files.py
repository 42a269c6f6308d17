"""The record as files: a folder with one archive for each look and each setup, which holds its blobs."""

from __future__ import annotations

import io
import os
import re
import zipfile
import zlib
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lightning_cnnviz.output.disk import below, read_whole, write_whole

if TYPE_CHECKING:
    from lightning_cnnviz.output.record import EncodedLook

FOLDER = "record"
_LOOK = re.compile(r"look_(\d+)\.zip")


def write_record(directory: Path, encoded: EncodedLook, step: int) -> None:
    """Writes a look below a directory, and its setups where they are not there yet.

    Raises:
        OSError: it cannot be written.
    """
    folder = directory / FOLDER
    for name, blobs in encoded.setups.items():
        path = folder / f"setup_{name}.zip"
        if not path.exists():
            write_whole(path, _zipped(blobs))
    write_whole(folder / f"look_{step:06d}.zip", _zipped(encoded.look))


def read_record(
    directory: str | os.PathLike[str], names: Collection[str]
) -> tuple[list[list[bytes]], list[list[bytes]]]:
    """The blobs of the setups and of the looks in a directory, looks in the order of their steps.

    What is damaged is left out.

    Args:
        directory: on a disk or on object storage.
        names: of the files in its folder :data:`FOLDER`.
    """
    looks = {int(match[1]): match[0] for match in map(_LOOK.fullmatch, names) if match}
    setups = sorted(name for name in names if name.startswith("setup_"))
    return _read(directory, setups), _read(directory, [looks[step] for step in sorted(looks)])


def _read(directory: str | os.PathLike[str], names: Iterable[str]) -> list[list[bytes]]:
    found = []
    for name in names:
        with suppress(OSError, ValueError, zipfile.BadZipFile, zlib.error):
            found.append(_blobs(read_whole(below(directory, f"{FOLDER}/{name}"))))
    return found


def _blobs(content: bytes) -> list[bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [archive.read(name) for name in sorted(archive.namelist(), key=int)]


def _zipped(blobs: Sequence[bytes]) -> bytes:
    """Uncompressed: the blobs are that already."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for number, blob in enumerate(blobs):
            archive.writestr(str(number), blob)
    return content.getvalue()
