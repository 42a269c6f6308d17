"""The site builds without a warning, and every public name has its place there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lightning_cnnviz

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def test_every_public_name_is_in_the_reference() -> None:
    pages = "\n".join(page.read_text() for page in (DOCS / "reference").glob("*.md"))
    described = set(re.findall(r"^::: lightning_cnnviz\.[\w.]*\b(\w+)$", pages, flags=re.M))
    assert set(lightning_cnnviz.__all__) - {"__version__"} <= described


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    subprocess.run(command, check=True, cwd=ROOT, env=environment, timeout=300)
    assert "GradCAM" in (tmp_path / "reference" / "views.html").read_text()
    # Whoever reads it offline, or behind a firewall, misses nothing.
    sources = re.findall(r'(?:src|href)="(https?:[^"]+\.(?:js|css|woff2?))"', (tmp_path / "index.html").read_text())
    assert not sources
