"""The state of the process: random numbers, modes and switches, which belong to the training."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, suppress

import numpy as np
import torch

from lightning_cnnviz.guard.restoring import Saved, restored
from lightning_cnnviz.guard.settings import modes, settings
from lightning_cnnviz.guard.switches import SavedSwitch, Switch, generator_switch, numpy_switch


def process_state_preserved() -> AbstractContextManager[None]:
    """Puts back afterwards whatever code of others does to the process inside, also after an exception.

    Put back are the random numbers of torch, CUDA, NumPy and Python; gradient, inference and anomaly mode; autocast;
    default dtype and device; the numbers of threads; the switches of determinism, precision and kernels; hooks for all
    modules; how to compile; filters of warnings, and what NumPy does about errors. Working directory, environment,
    files and signal handlers are not ours.
    """
    return restored(saved_process_state)


def saved_process_state() -> list[Saved]:
    """All of the process's state as it is now."""
    found: list[Saved] = []
    for switch in _switches():
        # Not every version of torch has them all, and some refuse to be read beside settings of newer ones.
        with suppress(AttributeError, RuntimeError):
            found.append(SavedSwitch(switch))
    return found


def seed(number: int) -> None:
    """Seeds every random number generator that is in use."""
    # The generators themselves: torch.manual_seed would also queue a seed for a CUDA that is not initialised yet.
    for generator in _torch_generators():
        generator.manual_seed(number)
    random.seed(number)
    np.random.seed(number)  # noqa: NPY002 - the generator that users' transforms draw from


def _switches() -> Iterator[Switch]:
    """Every switch, those first whose writing needs nothing of the others: the last is put back first."""
    yield Switch("the random numbers of Python", random.getstate, random.setstate)
    yield numpy_switch(
        "the random numbers of NumPy",
        lambda: np.random.get_state(legacy=False),  # noqa: NPY002 - the generator that users' transforms draw from
        np.random.set_state,
    )
    for number, generator in enumerate(_torch_generators()):
        name = f"random numbers of torch, generator {number} on {generator.device}"
        switch = generator_switch(name, generator)
        if switch is not None:
            yield switch
    yield from settings()
    yield from modes()


def _torch_generators() -> Sequence[torch.Generator]:
    generators = [torch.default_generator]
    if torch.cuda.is_initialized():
        generators += torch.cuda.default_generators
    if torch.backends.mps.is_available():
        generators.append(torch.mps._get_default_mps_generator())
    return generators
