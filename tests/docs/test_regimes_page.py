"""The page in the docs says what the tests run."""

from __future__ import annotations

from tests.helpers.regimes import REGIMES
from tests.helpers.regimes_page import PAGE, page


def test_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.helpers.regimes_page"


def test_every_regime_has_a_row_and_a_name_of_its_own() -> None:
    names = [regime.name for regime in REGIMES]

    assert len(set(names)) == len(names)
    assert all(f"| `{name}` |" in page() for name in names)
