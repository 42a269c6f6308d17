"""The room on a disk, and files that are there as a whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

SPARE_BYTES = 32 * 2**20
"""What must be left on a disk: pictures are not worth the room that checkpoints and metrics need."""


def is_remote(directory: str | os.PathLike[str]) -> bool:
    """Whether a directory lies elsewhere, such as ``s3://bucket/run``."""
    return "://" in os.fspath(directory)


def check_room(directory: str | os.PathLike[str]) -> None:
    """Checks that a disk has room for more pictures.

    Raises:
        OSError: it is all but full, or the directory is gone or no directory any more.
    """
    if Path(directory).is_file():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), os.fspath(directory))
    if shutil.disk_usage(directory).free < SPARE_BYTES:
        raise OSError(errno.ENOSPC, f"less than {SPARE_BYTES // 2**20} MB left on the disk", os.fspath(directory))


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that a reader never sees half of it; makes its directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
