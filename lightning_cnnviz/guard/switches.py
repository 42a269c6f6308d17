"""One thing that a process has once, read and written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Switch:
    """One thing that a process has once.

    Attributes:
        name: for the user.
        read: what it is.
        write: makes it what it was.
    """

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], object]


class SavedSwitch:
    """A switch as it was."""

    def __init__(self, switch: Switch) -> None:
        self.name = switch.name
        self._switch = switch
        self._value = switch.read()

    def differs(self) -> bool:
        """Whether it is set otherwise now."""
        return bool(self._switch.read() != self._value)

    def restore(self) -> None:
        """Sets it, if it is set otherwise."""
        if self.differs():
            self._switch.write(self._value)
