"""Film strips as animations."""

from __future__ import annotations

import numpy as np
import pytest

from lightning_cnnviz.render import Caption, FilmStrip, Frame, Images, Row, animation


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
