"""What the tests of the writer and of sinks share."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from lightning_cnnviz.output.artifacts import RGB
from tests.helpers.sinks import RecordingSink


@pytest.fixture
def held_sink() -> Iterator[RecordingSink]:
    sink = RecordingSink()
    sink.open.clear()
    yield sink
    sink.open.set()


@pytest.fixture
def picture() -> RGB:
    return np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
