"""JSON as the record has it: compressed, with numbers that JSON does not know as words."""

from __future__ import annotations

import json
import math
import zlib
from typing import Any


def to_blob(value: object) -> bytes:
    """JSON, compressed by zlib."""
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return zlib.compress(written.encode())


def from_blob(blob: bytes) -> dict[str, Any]:
    """What :func:`to_blob` was given."""
    value: dict[str, Any] = json.loads(zlib.decompress(blob))
    return value


def number(value: float) -> float | str:
    """JSON has no NaN and no infinity."""
    value = float(value)
    return float(f"{value:.7g}") if math.isfinite(value) else str(value)


def text(words: str) -> str:
    """File systems yield names that are not Unicode; JSON in an event file must be."""
    return str(words).encode("utf-8", "replace").decode()
