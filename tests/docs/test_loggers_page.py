"""The page in the docs says what the tests run."""

from __future__ import annotations

from tests.helpers.loggers import LOGGERS
from tests.helpers.loggers_page import PAGE, page


def test_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.helpers.loggers_page"


def test_every_logger_has_a_row() -> None:
    assert all(f"| `{one.name}` |" in page() for one in LOGGERS)
