from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from lightning_cnnviz.output.encoding import encode
from lightning_cnnviz.output.record import Finished, Group, Maps, Record, encode_look
from lightning_cnnviz.output.record_setup import Setup
from lightning_cnnviz.page.report import RunRecord, report
from tests.helpers.browser import chromium, needs_chromium
from tests.helpers.page import VIEWS, show
from tests.helpers.records import run_record


def _masks_and_a_picture() -> RunRecord:
    """A run without the setups that its looks name."""
    setup = Setup([np.full((4, 4, 3), 90, np.uint8)])
    maps = [Maps("predictions", np.zeros((1, 1, 2, 2)), over=True, classes=[(0, "sky", (86, 180, 233))])]
    pictures = [Finished("mine", encode(np.zeros((3, 5, 3), np.uint8)))]
    look = encode_look(Record(0.0, 0, [Group(setup)], maps=maps, pictures=pictures), 1)
    return RunRecord("masks", {}, [look.look])


@pytest.mark.slow
@needs_chromium
def test_axe_finds_nothing(tmp_path: Path) -> None:
    package = importlib.util.find_spec("axe_core_python")
    assert package is not None
    assert package.origin is not None
    axe = (Path(package.origin).parent / "axe.min.js").read_text()
    path = tmp_path / "report.html"
    path.write_bytes(report([run_record("run a", 3), run_record("run b", 4), _masks_and_a_picture()]))
    pages = [("run a", view) for view in VIEWS] + [("masks", view) for view in ("samples", "pictures")]
    found = []
    with chromium(tmp_path / "profile", 1200, 900) as driver:
        for theme in ("light", "dark"):
            features = [{"name": "prefers-color-scheme", "value": theme}]
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            for run, view in pages:
                show(driver, f"file://{path}", run=run, view=view, epoch="0")
                driver.execute_script("document.querySelector('.runs').open = true")
                driver.execute_cdp_cmd("Runtime.evaluate", {"expression": axe})  # past the page's own policy
                result = driver.execute_async_script("const done = arguments[0]; axe.run().then(done)")
                assert result["passes"], view
                found += [(theme, view, one["id"], one["nodes"][0]["html"]) for one in result["violations"]]
    assert not found
