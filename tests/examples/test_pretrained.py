"""The example on a real network: slow, and the only place where maps can be checked against a photograph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow


def test_the_cat_is_recognised_and_the_heat_lies_on_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from examples import pretrained

    pretrained.main(["--output", str(tmp_path)])
    best = capsys.readouterr().out.splitlines()[0]
    assert best.endswith("Egyptian cat")
    for tag in ("cam/bn2", "grad_cam/bn2", "layercam/bn2"):
        heat = np.load(tmp_path / f"{tag}.npy")[0].clip(min=0)  # 7×11 places; the face fills columns 1 to 8
        assert heat[:, 1:9].mean() > 2 * np.concatenate([heat[:, :1], heat[:, 9:]], axis=1).mean(), tag
    sheet = Image.open(tmp_path / "contact_sheet.jpg")
    assert 900 < sheet.width < 1400
    assert (tmp_path / "contact_sheet.jpg").stat().st_size < 300_000
    assert (tmp_path / "feature_maps" / "conv_stem.png").exists()
