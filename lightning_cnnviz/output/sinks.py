"""Where artifacts go: TensorBoard or files."""

from __future__ import annotations

import csv
import errno
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lightning_cnnviz.output.artifacts import Artifact, Note, Picture, Scalar
from lightning_cnnviz.output.encoding import encode
from lightning_cnnviz.output.event_records import use_fast_checksums

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["FileSink", "Sink", "TensorBoardSink", "tensorboard_experiments"]

SPARE_BYTES = 32 * 2**20
"""What must be left on TensorBoard's disk: pictures are not worth the room that checkpoints and metrics need."""

_NOT_IN_FILE_NAMES = re.compile(r'[<>:"\\|?*\x00-\x1f]')


class Sink(Protocol):
    """Takes artifacts. A `BackgroundWriter` calls both methods on its own thread only."""

    def write(self, artifact: Artifact, step: int) -> None:
        """Encodes the artifact and hands it over; a kind that the sink has no place for is left out."""

    def flush(self) -> None:
        """Makes everything written so far visible to readers."""


def tensorboard_experiments(loggers: Iterable[Any]) -> list[SummaryWriter]:
    """Returns the writer of every TensorBoard logger among ``loggers``, in their order.

    Call it on rank 0 only: elsewhere Lightning hands out a dummy.
    """
    # By class name, because `lightning` and `pytorch_lightning` each have a TensorBoardLogger that the other does not
    # know, and because the DummyLogger of `fast_dev_run` answers every `hasattr` with True.
    return [logger.experiment for logger in loggers if _is_tensorboard_logger(logger)]


def _is_tensorboard_logger(logger: object) -> bool:
    return any(base.__name__ == "TensorBoardLogger" for base in type(logger).__mro__)


class TensorBoardSink:
    """Writes to an open TensorBoard writer: pictures to Images, scalars to Scalars, notes to Text.

    Raw arrays are left out. A copy (``pickle``, ``copy.deepcopy``) has no writer, since an open event file cannot be
    copied: writing to it raises RuntimeError. Writing raises OSError when the log directory is gone or the disk all but
    full, before TensorBoard's own thread would break down over it.

    Args:
        experiment: the Trainer's own writer, from `tensorboard_experiments`; it stays the logger's to close.
    """

    def __init__(self, experiment: SummaryWriter) -> None:
        self._experiment: SummaryWriter | None = experiment

    def write(self, artifact: Artifact, step: int) -> None:
        """Hands the artifact to TensorBoard's own queue, pictures as finished PNG or JPEG."""
        if self._experiment is None:
            raise RuntimeError("a copied TensorBoardSink has no writer: make a new one from the logger's experiment")
        _check_room(self._experiment.log_dir)
        match artifact:
            case Picture():
                file_writer = self._experiment._get_file_writer()
                use_fast_checksums(file_writer)
                file_writer.add_summary(_image_summary(artifact), global_step=step)
            case Scalar():
                self._experiment.add_scalar(artifact.tag, artifact.value, step)
            case Note():
                self._experiment.add_text(artifact.tag, artifact.text, step)

    def flush(self) -> None:
        """Waits until TensorBoard's queue is on the disk; an error of an earlier write is raised here at the latest."""
        if self._experiment is not None:
            self._experiment.flush()

    def __getstate__(self) -> dict[str, None]:
        return {"_experiment": None}


def _check_room(directory: str) -> None:
    """Raises OSError in time: what fails inside TensorBoard is raised from the next write, which may be Lightning's."""
    if "://" in directory:  # in the cloud, where there is always room
        return
    if shutil.disk_usage(directory).free < SPARE_BYTES:
        raise OSError(errno.ENOSPC, f"less than {SPARE_BYTES // 2**20} MB left on the disk", directory)


def _image_summary(picture: Picture) -> Summary:
    # Here, because importing the package should cost next to nothing.
    from tensorboard.compat.proto.summary_pb2 import Summary  # noqa: PLC0415

    height, width, channels = picture.image.shape
    encoded = encode(picture.image, picture.format)
    image = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=encoded)
    return Summary(value=[Summary.Value(tag=picture.tag, image=image)])


class FileSink:
    """Writes files into a directory, for those who want pictures without TensorBoard.

    A picture goes to ``<tag>_<step>.png`` and a note to ``<tag>_<step>.md``, the parts of the tag as folders and the
    step with six digits: ``grad_cam/layer4_000120.png``. Scalars go to ``scalars.csv`` with the columns tag, step,
    value. Raw arrays are left out. Existing files of the same name are replaced, ``scalars.csv`` is continued.

    Args:
        directory: made when the first artifact is written.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(directory)

    def write(self, artifact: Artifact, step: int) -> None:
        """Writes the artifact at once; a reader never sees half a picture."""
        match artifact:
            case Picture():
                encoded = encode(artifact.image, artifact.format)
                write_whole(self._path(artifact.tag, step, artifact.format), encoded)
            case Note():
                write_whole(self._path(artifact.tag, step, "md"), artifact.text.encode())
            case Scalar():
                self._append_scalar(artifact, step)

    def flush(self) -> None:
        """Does nothing: every write closes its file."""

    def _path(self, tag: str, step: int, extension: str) -> Path:
        return file_path(self.directory, tag, f"_{step:06d}.{extension}")

    def _append_scalar(self, scalar: Scalar, step: int) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "scalars.csv").open("a", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            if file.tell() == 0:
                rows.writerow(["tag", "step", "value"])
            rows.writerow([scalar.tag, step, scalar.value])


def file_path(directory: Path, tag: str, ending: str) -> Path:
    """The file below the directory that a tag stands for, with the parts of the tag as folders."""
    # A part such as ".." or the empty one before a leading slash would lead out of the directory.
    parts = [part if part.strip(".") else "_" for part in _NOT_IN_FILE_NAMES.sub("_", tag).split("/")]
    return directory.joinpath(*parts[:-1], parts[-1] + ending)


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that a reader never sees half of it; makes its directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
