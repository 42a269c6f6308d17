"""Shared by all tests: quiet, repeatable and few threads."""

from __future__ import annotations

import logging
import os
import random

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import torch


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
