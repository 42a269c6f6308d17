"""The gallery shows every view that draws pictures."""

from __future__ import annotations

import re
from pathlib import Path

import lightning_cnnviz
from lightning_cnnviz import View

DOCS = Path(__file__).parents[2] / "docs"


def test_every_view_is_shown_with_how_it_is_read() -> None:
    page = (DOCS / "gallery.md").read_text()
    public = [getattr(lightning_cnnviz, name) for name in lightning_cnnviz.__all__]
    views = {one.__name__ for one in public if isinstance(one, type) and issubclass(one, View)}
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", page, flags=re.M | re.S))
    assert views - {"View", "ModelSummary"} <= sections.keys() | {"Filters"}, "filters are shown as a film"
    for name, text in sections.items():
        assert "**How to read it:**" in text, name
        assert "**When it misleads:**" in text, name


def test_every_picture_is_there_and_no_other() -> None:
    shown = set(re.findall(r'src="(images/gallery/[^"]+)"', (DOCS / "gallery.md").read_text()))
    assert shown == {str(file.relative_to(DOCS)) for file in (DOCS / "images" / "gallery").iterdir()}
