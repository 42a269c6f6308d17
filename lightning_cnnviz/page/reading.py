"""The record out of event files."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from lightning_cnnviz.output.record_files import FOLDER, read_record
from lightning_cnnviz.output.record_names import LOOK_TAG, SETUP_TAG
from lightning_cnnviz.page.report import RunRecord


def read_runs(directory: str | os.PathLike[str]) -> list[RunRecord]:
    """The runs with a record below a directory, in event files or in files of their own, the newest last.

    Each is named by its folder. A run may consist of several event files, as after a resume; of looks at the same step
    the last one counts. What is damaged, as at the end of a run that was killed, is left out.
    """
    root = Path(directory)
    folders: dict[Path, float] = {}
    for pattern, up in (("*tfevents*", 0), (f"{FOLDER}/look_*.zip", 1)):
        for path in root.rglob(pattern):
            folder = path.parents[up]
            folders[folder] = max(folders.get(folder, 0.0), path.stat().st_mtime)
    runs = [_read_run(folder, _name(folder, root)) for folder in sorted(folders, key=lambda one: folders[one])]
    return [run for run in runs if run.looks]


def _name(folder: Path, root: Path) -> str:
    inside = folder.relative_to(root).as_posix()
    return root.resolve().name if inside == "." else inside


def _read_run(folder: Path, name: str) -> RunRecord:
    looks: dict[int, list[bytes]] = {}
    setups, in_order = read_record(folder)
    for path in sorted(folder.glob("*tfevents*")):
        for tag, step, blobs in _blobs(path):
            if tag == LOOK_TAG:
                looks[step] = blobs
            else:
                setups.append(blobs)
    named = {json.loads(zlib.decompress(blobs[0]))["id"]: blobs for blobs in setups}
    return RunRecord(name, named, in_order + [looks[step] for step in sorted(looks)])


def _blobs(path: Path) -> Iterator[tuple[str, int, list[bytes]]]:
    # Here, because it loads all of TensorBoard.
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader  # noqa: PLC0415

    for event in EventFileLoader(str(path)).Load():
        for value in event.summary.value:
            if value.tag == LOOK_TAG or value.tag.startswith(SETUP_TAG):
                yield value.tag, event.step, list(value.tensor.string_val)
