"""A setting of the process or the state of a generator: what there is one of, to be read and written."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class Switch:
    """A setting or a state of which a process has one.

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

    _written = 0
    """How many switches were set so far, any of which may have set others along with it."""

    def __init__(self, switch: Switch) -> None:
        self.name = switch.name
        self._switch = switch
        self._value = switch.read()
        self._right_at: int | None = None

    def differs(self) -> bool:
        """Whether it is set otherwise now."""
        if self._right_at == SavedSwitch._written:
            return False  # it was right already, and nothing was put back since then
        return bool(self._switch.read() != self._value)

    def restore(self) -> None:
        """Sets it, if it is set otherwise."""
        if self.differs():
            SavedSwitch._written += 1
            self._switch.write(self._value)
        else:
            self._right_at = SavedSwitch._written


@dataclass(frozen=True)
class _State:
    """The state of a generator of NumPy, which holds arrays, and what tells whether two are the same."""

    state: Any = field(compare=False)
    contents: Any

    @classmethod
    def of(cls, state: Any) -> _State:
        return cls(state, _contents(state))


def numpy_switch(name: str, read: Callable[[], Any], write: Callable[[Any], object]) -> Switch:
    """Where a generator of NumPy is, whose state is a dictionary with arrays in it."""
    return Switch(name, lambda: _State.of(read()), lambda saved: write(saved.state))


def generator_switch(name: str, generator: Any) -> Switch | None:
    """Where a generator of random numbers is; None if it has no state."""
    if isinstance(generator, torch.Generator):
        return Switch(
            name,
            lambda: generator.get_state().numpy().tobytes(),
            lambda state: generator.set_state(torch.frombuffer(bytearray(state), dtype=torch.uint8)),
        )
    if isinstance(generator, (np.random.Generator, np.random.BitGenerator)):
        bits: Any = getattr(generator, "bit_generator", generator)
        return numpy_switch(name, lambda: bits.state, lambda state: setattr(bits, "state", state))
    if isinstance(generator, np.random.RandomState):
        return numpy_switch(name, lambda: generator.get_state(legacy=False), generator.set_state)
    if isinstance(generator, random.SystemRandom):
        return None
    return Switch(name, generator.getstate, generator.setstate)


def _contents(state: Any) -> Any:
    if isinstance(state, dict):
        return [(name, _contents(value)) for name, value in state.items()]
    return state.tobytes() if isinstance(state, np.ndarray) else state
