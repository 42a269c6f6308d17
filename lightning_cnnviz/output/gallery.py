"""A page that shows the pictures of a directory, step by step."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import TypeAlias

from lightning_cnnviz.output.disk import check_room, write_whole

GALLERY = "index.html"

_Files: TypeAlias = dict[str, dict[int, str]]
_NAME = re.compile(r"(.+)_(\d{6,})\.(png|jpeg|md)")
_NOTES = "md"


class Gallery:
    """Keeps ``index.html`` up to date: every picture in a directory, with one slider for the step.

    Args:
        directory: with files named ``<name>_<step>.png``, ``.jpeg`` or ``.md``; those that are there already, as of a
            run that is resumed, are shown, too.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: _Files | None = None
        self._is_changed = False

    def add(self, path: Path) -> None:
        """Takes in a file that was written below the directory."""
        if self._files is None:
            self._files = defaultdict(dict)
            for earlier in sorted(self._directory.rglob("*_*.*")):
                self._take(self._files, earlier)
        self._is_changed = self._take(self._files, path) or self._is_changed

    def renew(self) -> None:
        """Writes the page if there is something new; a reader never sees half of it.

        Raises:
            OSError: it cannot be written, or the disk is all but full.
        """
        if not self._is_changed or self._files is None:
            return
        check_room(self._directory)
        kinds: dict[str, dict[str, list[tuple[int, str]]]] = {"pictures": {}, "notes": {}}
        for name, files in sorted(self._files.items()):
            for step, extension in sorted(files.items()):
                kinds["notes" if extension == _NOTES else "pictures"].setdefault(name, []).append((step, extension))
        # In a script only "<" could end the text early.
        content = json.dumps(kinds, separators=(",", ":")).replace("<", "\\u003c")
        template = Path(__file__).with_name("gallery.html").read_text(encoding="utf-8")
        write_whole(self._directory / GALLERY, template.replace("{{files}}", content).encode())
        self._is_changed = False

    def _take(self, files: _Files, path: Path) -> bool:
        """Whether it is something to show."""
        parts = _NAME.fullmatch(path.relative_to(self._directory).as_posix())
        if parts is not None:
            files[parts[1]][int(parts[2])] = parts[3]
        return parts is not None
