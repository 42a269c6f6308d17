"""The page of a run as one HTML file that is renewed while the run goes on."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress

from lightning_cnnviz.output.artifacts import Look
from lightning_cnnviz.output.disk import below, check_room, name_of, read_whole, write_whole
from lightning_cnnviz.output.look_record import encoded
from lightning_cnnviz.output.record import step_of
from lightning_cnnviz.output.record_json import from_blob
from lightning_cnnviz.page.report import MOST_BYTES, RunRecord, Thinning, read_report, report

REPORT = "report.html"
_FOR_LOOKS = 0.8  # the rest is for the page itself and the samples
_RENEW_S = 30.0
_SHARE = 0.02
"""Of the time: a large report on a slow disk is renewed less often."""


def report_of(looks: Mapping[str, Look]) -> tuple[bytes, set[str]]:
    """The page of single looks side by side, and the tags of the pictures whose numbers it has.

    Args:
        looks: by the name of what was looked at.

    Raises:
        DrawingError: something in them is other than it should be.
    """
    records = {name: encoded(look, 0) for name, look in looks.items()}
    heads = [from_blob(record.look[0]) for record in records.values()]
    runs = [RunRecord(name, dict(record.setups), [record.look], is_single=True) for name, record in records.items()]
    items = {item["tag"] for head in heads for item in head["items"]}
    sheets = {group["name"] for head in heads for group in head["groups"]}
    return report(runs), items | sheets


class RunReport:
    """Collects the record of a run, as much as fits into one HTML file.

    Args:
        name: of the run.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._setups: dict[str, list[bytes]] = {}
        self._thinning = Thinning(_FOR_LOOKS * MOST_BYTES)

    def add(self, look: Look, step: int) -> None:
        """Takes in a look; where not all fit, late ones are left out before early ones.

        Raises:
            DrawingError: something in it is other than it should be.
        """
        record = encoded(look, step)
        for name, blobs in record.setups.items():
            self._setups.setdefault(name, blobs)
        self._thinning.add(record.look)

    def page(self) -> bytes:
        """The HTML file, empty if there are no looks."""
        looks = self._thinning.kept
        return report([RunRecord(self._name, self._setups, looks)]) if looks else b""


class ReportFile(RunReport):
    """Keeps the file up to date.

    Args:
        directory: of the run, which it is named after, on a disk or on object storage (``s3://…``). Of a report that
            lies there already, as of a run that is resumed, the looks before the first one that is added are taken
            over.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        super().__init__(name_of(directory))
        self._directory = directory
        self.path = below(directory, REPORT)
        self._is_new = True
        self._is_changed = False
        self._next_time = 0.0

    def add(self, look: Look, step: int) -> None:
        """Takes in a look, and before the first one those of an earlier part of the run."""
        if self._is_new:
            self._continue(step)
            self._is_new = False
        super().add(look, step)
        self._is_changed = True

    def renew(self) -> None:
        """Writes the file if there is something new and it was written long enough ago.

        Raises:
            OSError: it cannot be written, or the disk is all but full.
        """
        if time.monotonic() >= self._next_time:
            self.complete()

    def complete(self) -> None:
        """Writes the file if there is something new; a reader never sees half of it.

        Raises:
            OSError: it cannot be written, or the disk is all but full.
        """
        if not self._is_changed:
            return
        started = time.monotonic()
        self._next_time = started + _RENEW_S
        check_room(self._directory)
        write_whole(self.path, self.page())
        self._is_changed = False
        self._next_time = started + max(_RENEW_S, (time.monotonic() - started) / _SHARE)

    def _continue(self, step: int) -> None:
        # Whatever lies there may be damaged, or of another program.
        with suppress(OSError, ValueError, zlib.error):
            for run in read_report(read_whole(self.path))[:1]:
                earlier = [blobs for blobs in run.looks if step_of(blobs) < step]
                self._setups.update(run.setups if earlier else {})
                for blobs in earlier:
                    self._thinning.add(blobs)
