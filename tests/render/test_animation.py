"""Film strips as animations."""

from __future__ import annotations

import numpy as np
import pytest

from lightning_cnnviz.output.artifacts import RGB
from lightning_cnnviz.render import Caption, FilmStrip, Frame, Images, Row, animation, captions
from lightning_cnnviz.render.text import RIGHT, WRONG, Color


def test_frames_say_whether_the_answer_was_right(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[list[str]] = []
    drawn = animation.tiles

    def listening(*args: object, labels: list[str], **options: object) -> object:
        written.append(labels)
        return drawn(*args, labels=labels, **options)

    monkeypatch.setattr(animation, "tiles", listening)
    grey = np.full((8, 8, 3), 128, np.uint8)
    lines = (("says 4", "90%"), ("says 2", "80%"), ("says 1", "70%"))
    frame = Frame("epoch 0", Images((grey,) * 3), lines, (False, True, None))
    rows = tuple(Row(grey, Caption((name,)), index) for index, name in enumerate(("true 2", "true 2", "sample 2")))
    [picture] = animation.stills(FilmStrip(rows, (frame,), title="Grad-CAM"))
    assert written == [["true 2 ✗ says 4 90%", "true 2 ✓ says 2 80%", "sample 2 says 1 70%"]]
    assert picture.dtype == np.uint8
    wide = [int((picture == color).all(axis=-1).sum(axis=1).max()) for color in (WRONG, RIGHT)]
    assert min(wide) > 100, "a band below each map, orange and blue"


def test_what_the_model_said_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    drawn = captions.text_block

    def listening(text: str, size: int, color: Color) -> RGB:
        written.append(text)
        return drawn(text, size, color)

    monkeypatch.setattr(captions, "text_block", listening)
    grey = np.full((8, 8, 3), 128, np.uint8)
    lines = (("says bobcat or lynx", "38%"),) * 12
    frame = Frame("epoch 0", Images((grey,) * 12), lines, (True,) * 12)
    rows = tuple(Row(grey, Caption(("true bobcat or lynx",)), index) for index in range(12))
    animation.stills(FilmStrip(rows, (frame,), title="Grad-CAM"))
    assert (
        " ".join(written).split() == ["true", "bobcat", "or", "lynx", "✓", "says", "bobcat", "or", "lynx", "38%"] * 12
    )
