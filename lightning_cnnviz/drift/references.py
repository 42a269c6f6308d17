"""What drift is measured against."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from lightning_cnnviz.arguments import instance, sequence

# A path on its own works too; but where the union holds it, jsonargparse turns lists from YAML into strings.
Reference: TypeAlias = str | Sequence[str | os.PathLike[str]]
"""``"previous"``, ``"first"``, the path of a checkpoint, or several of them."""


def read_references(given: Reference) -> dict[str, str | None]:
    """The name in the tags, and the path of a checkpoint.

    Raises:
        TypeError: what is given is none of these.
        ValueError: a name comes twice, or there is none.
    """
    what = "'previous', 'first', the path of a checkpoint, or a sequence of them"
    references: dict[str, str | None] = {}
    for entry in [given] if isinstance(given, str | os.PathLike) else sequence("reference", given, what):
        instance("reference", entry, (str, os.PathLike), what)
        is_path = entry not in ("previous", "first")
        name = Path(entry).stem if is_path else str(entry)
        if name in references:
            raise ValueError(f"reference must have different names, got {name!r} twice")
        references[name] = os.fspath(entry) if is_path else None
    return references
