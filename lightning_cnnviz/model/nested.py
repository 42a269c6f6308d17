"""What is in an output that is no single tensor."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any


def members(output: Any) -> list[tuple[int | str, Any]]:
    """The members of a mapping, sequence or dataclass by key, index or name; none of anything else."""
    if isinstance(output, Mapping):
        return [(key if isinstance(key, int) else str(key), value) for key, value in output.items()]
    if isinstance(output, tuple) and hasattr(output, "_fields"):
        return list(zip(output._fields, output, strict=True))
    if isinstance(output, Sequence) and not isinstance(output, (str, bytes)):
        return list(enumerate(output))
    if dataclasses.is_dataclass(output):
        return [(field.name, getattr(output, field.name)) for field in dataclasses.fields(output)]
    return []
