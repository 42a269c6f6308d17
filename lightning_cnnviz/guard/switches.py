"""One thing that a process or a generator has once, read and written."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


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


def generator_switch(name: str, generator: Any) -> Switch | None:
    """Where a generator of random numbers is; None if it has no state."""
    if isinstance(generator, torch.Generator):
        return Switch(
            name,
            lambda: generator.get_state().numpy().tobytes(),
            lambda state: generator.set_state(torch.frombuffer(bytearray(state), dtype=torch.uint8)),
        )
    if isinstance(generator, np.random.Generator):
        bits: Any = generator.bit_generator
        return Switch(name, lambda: pickle.dumps(bits.state), lambda state: setattr(bits, "state", pickle.loads(state)))
    if isinstance(generator, np.random.RandomState):
        return Switch(
            name,
            lambda: pickle.dumps(generator.get_state(legacy=False)),
            lambda state: generator.set_state(pickle.loads(state)),
        )
    if isinstance(generator, random.SystemRandom):
        return None
    return Switch(name, generator.getstate, generator.setstate)
