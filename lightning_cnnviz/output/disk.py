"""The room on a disk, and files that are there as a whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from contextlib import suppress
from pathlib import Path, PurePosixPath

SPARE_BYTES = 32 * 2**20
"""What must be left on a disk: pictures are not worth the room that checkpoints and metrics need."""


def is_remote(directory: str | os.PathLike[str]) -> bool:
    """Whether a directory lies elsewhere, such as ``s3://bucket/run``."""
    return "://" in os.fspath(directory)


def check_room(directory: str | os.PathLike[str]) -> None:
    """Checks that a disk has room for more pictures; elsewhere there always is.

    Raises:
        OSError: it is all but full, or the directory is gone or no directory any more.
    """
    if is_remote(directory):
        return
    if Path(directory).is_file():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), os.fspath(directory))
    if shutil.disk_usage(directory).free < SPARE_BYTES:
        raise OSError(errno.ENOSPC, f"less than {SPARE_BYTES // 2**20} MB left on the disk", os.fspath(directory))


def below(directory: str | os.PathLike[str], name: str) -> str | Path:
    """The path of a file in a directory."""
    return f"{os.fspath(directory).rstrip('/')}/{name}" if is_remote(directory) else Path(directory) / name


def name_of(directory: str | os.PathLike[str]) -> str:
    """The last part of the path of a directory, also of one that is given as ``"."``."""
    return PurePosixPath(directory).name if is_remote(directory) else Path(directory).resolve().name


def files_below(directory: str | os.PathLike[str]) -> dict[str, float]:
    """All files below a directory by their paths in it, with slashes, and when each was last changed.

    Raises:
        OSError: the store cannot be reached.
        ValueError: the address is of no known kind.
        ImportError: what reads this kind of address is not installed.
    """
    if not is_remote(directory):
        root = Path(directory)
        return {path.relative_to(root).as_posix(): path.stat().st_mtime for path in root.rglob("*") if path.is_file()}
    import fsspec  # noqa: PLC0415

    filesystem, root_path = fsspec.core.url_to_fs(os.fspath(directory))
    found = {}
    for path in filesystem.find(root_path):
        if path.endswith("/"):  # an empty object that stands for a folder, as S3's console and clients leave them
            continue
        changed = 0.0
        with suppress(NotImplementedError):  # some stores do not say
            changed = filesystem.modified(path).timestamp()
        found[path.removeprefix(root_path).lstrip("/")] = changed
    return found


def read_whole(path: str | os.PathLike[str]) -> bytes:
    """The content of a file.

    Raises:
        OSError: it cannot be read.
    """
    if is_remote(path):
        import fsspec  # noqa: PLC0415 - torch and Lightning bring it; of those who write locally nobody needs it

        with fsspec.open(os.fspath(path), "rb") as file:
            return bytes(file.read())
    return Path(path).read_bytes()


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Writes a file so that a reader never sees half of it; makes its directory."""
    if is_remote(path):
        import fsspec  # noqa: PLC0415

        # An object is there once it is closed.
        with fsspec.open(os.fspath(path), "wb", auto_mkdir=True) as file:
            file.write(content)
        return
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")  # each sink has a thread
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
