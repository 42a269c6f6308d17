"""Shared by all tests: quiet, repeatable and few threads."""

# ruff: noqa: E402 - what stands before the imports is about them

from __future__ import annotations

import atexit
import gc
import logging
import os
import random

# Of what is imported and collected nothing is ever garbage: looking for it again and again costs seconds.
gc.disable()
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import torch

from lightning_cnnviz.output.writer import BackgroundWriter


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
    atexit.register(gc.unfreeze)  # extensions complain of what was not freed at the end


@pytest.fixture(autouse=True)
def _repeatable() -> None:
    """Every test begins with the same process, whatever the tests, examples and Trainers before it left of theirs."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    random.seed(0)
    torch.use_deterministic_algorithms(False)  # Trainer(deterministic=True) never takes it back
    lightning = logging.getLogger("lightning.pytorch")
    lightning.setLevel(logging.INFO)
    lightning.propagate = True  # False if it was imported before pytest listened


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sinks are waited for however slow or busy the machine is; tests of impatience say how long themselves."""
    monkeypatch.setattr(BackgroundWriter.close, "__defaults__", (300.0,))
    monkeypatch.setattr(BackgroundWriter.flush, "__defaults__", (300.0,))
    monkeypatch.setattr(BackgroundWriter.__init__, "__kwdefaults__", {"max_pending": 64, "max_wait_s": 300.0})
