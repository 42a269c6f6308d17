"""The record as files: a folder with one archive for each look and each setup, which holds its blobs."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lightning_cnnviz.output.disk import write_whole

if TYPE_CHECKING:
    from lightning_cnnviz.output.record import EncodedLook

FOLDER = "record"


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


def read_record(directory: Path) -> tuple[list[list[bytes]], list[list[bytes]]]:
    """The blobs of the setups and of the looks below a directory, looks in the order of their steps.

    What is damaged is left out.
    """
    folder = directory / FOLDER
    looks = sorted(folder.glob("look_*.zip"), key=lambda path: int(path.stem.rpartition("_")[2]))
    return _read(sorted(folder.glob("setup_*.zip"))), _read(looks)


def _read(paths: Iterable[Path]) -> list[list[bytes]]:
    found = []
    for path in paths:
        with suppress(OSError, ValueError, zipfile.BadZipFile, zlib.error):
            found.append(_blobs(path))
    return found


def _blobs(path: Path) -> list[bytes]:
    with zipfile.ZipFile(path) as archive:
        return [archive.read(name) for name in sorted(archive.namelist(), key=int)]


def _zipped(blobs: Sequence[bytes]) -> bytes:
    """Uncompressed: the blobs are that already."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for number, blob in enumerate(blobs):
            archive.writestr(str(number), blob)
    return content.getvalue()
