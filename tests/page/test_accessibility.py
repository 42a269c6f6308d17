from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from lightning_cnnviz.page.report import report
from tests.helpers.browser import chromium, needs_chromium
from tests.helpers.page import show
from tests.helpers.records import run_record

VIEWS = ("samples", "film", "layers", "filters", "answers", "notes", "pictures")


@pytest.mark.slow
@needs_chromium
def test_axe_finds_nothing(tmp_path: Path) -> None:
    package = importlib.util.find_spec("axe_core_python")
    assert package is not None
    assert package.origin is not None
    axe = (Path(package.origin).parent / "axe.min.js").read_text()
    path = tmp_path / "report.html"
    path.write_bytes(report([run_record("run a", 3), run_record("run b", 4)]))
    found = []
    with chromium(tmp_path / "profile", 1200, 900) as driver:
        for theme in ("light", "dark"):
            features = [{"name": "prefers-color-scheme", "value": theme}]
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            for view in VIEWS:
                show(driver, f"file://{path}", run="run a", view=view, epoch="0")
                driver.execute_cdp_cmd("Runtime.evaluate", {"expression": axe})  # past the page's own policy
                result = driver.execute_async_script("const done = arguments[0]; axe.run().then(done)")
                assert result["passes"], view
                found += [(theme, view, one["id"], one["nodes"][0]["html"]) for one in result["violations"]]
    assert not found
