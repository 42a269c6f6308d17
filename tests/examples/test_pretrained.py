"""The example on a real network: slow, and the only place where maps can be checked against a photograph."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pretrained() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pretrained", EXAMPLES / "pretrained.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["pretrained"] = module  # where dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_the_cat_is_recognised_and_the_heat_lies_on_it(
    pretrained: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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
