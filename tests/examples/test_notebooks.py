"""The notebooks run from top to bottom, offline, and what they keep of a run stays small."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "examples/notebooks").glob("*.ipynb"))


def pictures(notebook: dict[str, Any]) -> int:
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    return sum("image/jpeg" in output.get("data", {}) for output in outputs)


def test_five_notebooks_are_shipped_with_their_pictures() -> None:
    assert len(NOTEBOOKS) == 5
    for path in NOTEBOOKS:
        assert pictures(json.loads(path.read_text())) > 0, path.name
        assert path.stat().st_size < 400_000, path.name
        assert "site-packages" not in path.read_text(), path.name  # a warning, with the folders of some machine


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from examples.notebooks.refresh import executed

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    assert pictures(executed(path)) == pictures(json.loads(path.read_text()))
