"""The record out of event files."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from lightning_cnnviz.output.disk import below, files_below, name_of
from lightning_cnnviz.output.record_files import FOLDER, read_record
from lightning_cnnviz.output.record_names import LOOK_TAG, SETUP_TAG
from lightning_cnnviz.page.report import RunRecord


def read_runs(directory: str | os.PathLike[str]) -> list[RunRecord]:
    """The runs with a record below a directory, in event files or in files of their own, the newest last.

    Each is named by its folder. A run may consist of several event files, as after a resume; of looks at the same step
    the last one counts. What is damaged, as at the end of a run that was killed, is left out.

    Args:
        directory: on a disk, or on object storage (``s3://…``).

    Raises:
        OSError: the store cannot be reached.
        ValueError: the address is of no known kind.
        ImportError: what reads this kind of address is not installed.
    """
    folders: dict[PurePosixPath, _Files] = {}
    for name, changed in files_below(directory).items():
        path = PurePosixPath(name)
        if "tfevents" in path.name:
            folders.setdefault(path.parent, _Files()).add(path.name, changed, is_event_file=True)
        elif path.parent.name == FOLDER and path.suffix == ".zip":
            folders.setdefault(path.parent.parent, _Files()).add(path.name, changed)
    in_order = sorted(sorted(folders), key=lambda folder: folders[folder].changed)
    runs = [_read_run(directory, folder, folders[folder]) for folder in in_order]
    return [run for run in runs if run.looks]


@dataclass
class _Files:
    """The files of a run by their names, and when the last one was changed."""

    events: list[str] = field(default_factory=list)
    record: list[str] = field(default_factory=list)
    changed: float = 0.0

    def add(self, name: str, changed: float, *, is_event_file: bool = False) -> None:
        (self.events if is_event_file else self.record).append(name)
        self.changed = max(self.changed, changed)


def _read_run(root: str | os.PathLike[str], folder: PurePosixPath, files: _Files) -> RunRecord:
    name = str(folder)
    directory, name = (root, name_of(root)) if name == "." else (below(root, name), name)
    looks: dict[int, list[bytes]] = {}
    setups, in_order = read_record(directory, files.record)
    for events in sorted(files.events):
        for tag, step, blobs in _blobs(below(directory, events)):
            if tag == LOOK_TAG:
                looks[step] = blobs
            else:
                setups.append(blobs)
    named = {}
    for blobs in setups:
        with suppress(ValueError, LookupError, TypeError, zlib.error):
            named[json.loads(zlib.decompress(blobs[0]))["id"]] = blobs
    return RunRecord(name, named, in_order + [looks[step] for step in sorted(looks)])


def _blobs(path: str | Path) -> Iterator[tuple[str, int, list[bytes]]]:
    # Here, because it loads all of TensorBoard.
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader  # noqa: PLC0415

    for event in EventFileLoader(str(path)).Load():
        for value in event.summary.value:
            if value.tag == LOOK_TAG or value.tag.startswith(SETUP_TAG):
                yield value.tag, event.step, list(value.tensor.string_val)
