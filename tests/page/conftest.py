from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lightning_cnnviz.page.report import report
from tests.helpers.browser import chromium
from tests.helpers.records import HOSTILE, run_record


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile"), 1200, 900) as driver:
        yield driver


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A report of two runs of a classifier, one with a hostile name."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_bytes(report([run_record("run a", 4), run_record(HOSTILE, 6)]))
    return f"file://{path}"
