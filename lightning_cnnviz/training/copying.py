"""Copies of a callback: of their own, and without the model of the run that it was in."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from lightning.pytorch import Callback

if TYPE_CHECKING:
    from typing_extensions import Self  # a part of typing from Python 3.11 on

_HANDED_IN = ("log", "log_dict")
"""Methods of the model, which Lightning puts on every callback of a run."""


class OwnCopies(Callback):
    """A callback whose parts know it: its copies, shallow ones too, have parts of their own."""

    def __copy__(self) -> Self:
        return copy.deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in _HANDED_IN}
