from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from tests.helpers.training import image_steps

EXAMPLE = Path(__file__).parents[2] / "examples" / "segmentation.py"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("segmentation_example", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_label_of_a_pixel_is_the_digit_that_its_ink_belongs_to(example: ModuleType) -> None:
    digits = np.zeros((1, 28, 28), np.uint8)
    digits[0, 10:15, 10:12] = 255
    canvases = example.Canvases(digits, np.array([7]), 3)
    canvas, mask = canvases[1]
    assert canvas.shape == (1, 48, 48)
    assert torch.equal(mask == 8, canvas[0] == 1)
    assert set(mask.unique().tolist()) == {0, 8}
    assert 10 <= int((mask == 8).sum()) <= 20  # two digits of ten pixels, which may overlap
    again, other = canvases[1][0], canvases[2][0]
    assert torch.equal(canvas, again)
    assert not torch.equal(canvas, other)
    with pytest.raises(IndexError):
        canvases[3]


def test_the_network_scores_every_pixel(example: ModuleType) -> None:
    scores = example.SmallUNet()(torch.rand(2, 1, 48, 48))
    assert scores.shape == (2, 11, 48, 48)
    best = scores[:, 1:].max(dim=1).values - scores[:, 0]
    expected = best.where(best > 0, 0).flatten(1).mean(dim=1)
    torch.testing.assert_close(example.digits_against_background(scores), expected)


@pytest.mark.slow
def test_digits_are_found_and_drawn(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLE), "--epochs", "2", "--count", "640", "--log-dir", str(tmp_path / "runs")]
    output = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    found = re.search(r"Intersection over union: ([\d.]+)%", output.stdout)
    assert found is not None
    assert float(found[1]) > 10  # the background alone would be 9
    assert "Warning" not in output.stderr
    (tmp_path / "runs" / "version_0").rename(tmp_path / "events")
    steps = image_steps(tmp_path)
    assert steps["flips"] == [19, 39]
    assert steps["predictions"] == [0, 19, 39]
    assert {"grad_cam/coarse", "any_digit/grad_cam/merged_middle", "saliency/gradient"} <= set(steps)
