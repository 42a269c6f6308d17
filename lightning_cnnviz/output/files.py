"""Artifacts as files: of a run, step by step, and of a single explanation."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from lightning_cnnviz.arguments import instance
from lightning_cnnviz.output.artifacts import Array, Artifact, Look, Note, Picture, Scalar
from lightning_cnnviz.output.disk import check_room, is_remote, write_whole
from lightning_cnnviz.output.encoding import encode, file_extension
from lightning_cnnviz.output.gallery import Gallery
from lightning_cnnviz.output.look_record import encoded
from lightning_cnnviz.output.names import escape, with_short_parts
from lightning_cnnviz.output.record_files import write_record
from lightning_cnnviz.output.run_report import ReportFile
from lightning_cnnviz.output.sink import Sink

_NOT_IN_FILE_NAMES = r'[<>:"\\|?*\x00-\x1f]'


class FileSink(Sink):
    """Writes files into a directory.

    A picture goes to ``<tag>_<step>.png`` and a note to ``<tag>_<step>.md``, the parts of the tag as folders and the
    step with six digits: ``grad_cam/layer4_000120.png``. What file names do not take is written as its code, ``_x3a_``
    for a colon. Scalars go to ``scalars.csv`` with the columns tag, step,
    value. ``index.html`` shows the pictures, with a slider for the step. What they are drawn from goes to the folder
    ``record``, and ``report.html`` shows all of that as one page. Existing files of the same name are replaced,
    ``scalars.csv`` is continued. A subclass whose ``takes`` has ``Array`` in it also writes the values behind the
    pictures, to ``<tag>_<step>.npy``.

    Args:
        directory: made when the first artifact is written.

    Raises:
        TypeError: ``directory`` is no path.
        ValueError: it is no directory on a disk, such as ``s3://bucket/run``.
    """

    takes = (Picture, Scalar, Note, Look)

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        instance("directory", directory, (str, os.PathLike), "a path")
        if is_remote(directory):
            raise ValueError(
                f"directory must lie on a disk, got {os.fspath(directory)!r}; "
                "TensorBoardLogger writes to object storage, too"
            )
        self.directory = Path(directory)
        self._report = ReportFile(self.directory)
        self._gallery = Gallery(self.directory)

    def write(self, artifact: Artifact, step: int) -> None:
        """Writes the artifact at once; a reader never sees half a picture.

        Raises:
            OSError: it cannot be written, or the disk is all but full.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        check_room(self.directory)
        if isinstance(artifact, Scalar):
            self._append(artifact, step)
        elif isinstance(artifact, Look):
            write_record(self.directory, encoded(artifact, step), step)
            self._report.add(artifact, step)
        else:
            self._gallery.add(write_file(self.directory, artifact, f"_{step:06d}"))

    def flush(self) -> None:
        """Renews the page of pictures, and the report, if that was not done just now."""
        self._gallery.renew()
        self._report.renew()

    def finish(self) -> None:
        """Completes the report."""
        self._report.complete()

    def _append(self, scalar: Scalar, step: int) -> None:
        with (self.directory / "scalars.csv").open("a", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            if file.tell() == 0:
                rows.writerow(["tag", "step", "value"])
            rows.writerow([scalar.tag, step, scalar.value])


def write_file(directory: Path, artifact: Picture | Note | Array, suffix: str = "") -> Path:
    """Writes one artifact to a file below a directory, the parts of its tag as folders.

    Args:
        directory: made if missing.
        artifact: a picture becomes PNG or JPEG, a note Markdown, an array npy.
        suffix: put between the tag and the extension.

    Returns:
        The file.
    """
    match artifact:
        case Picture():
            content = encode(artifact.image, artifact.format)
            extension = file_extension(content)
        case Note():
            content, extension = artifact.text.encode(), "md"
        case Array():
            content, extension = _npy(artifact), "npy"
    path = file_path(directory, artifact.tag, f"{suffix}.{extension}")
    write_whole(path, content)
    return path


def write_table(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Writes a CSV file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_whole(path, text.getvalue().encode())


def file_path(directory: Path, tag: str, ending: str) -> Path:
    """The file below the directory that a tag stands for, with the parts of the tag as folders."""
    return directory / f"{with_short_parts(escape(tag, _NOT_IN_FILE_NAMES))}{ending}"


def _npy(array: Array) -> bytes:
    content = io.BytesIO()
    np.save(content, array.values.numpy())
    return content.getvalue()
