from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.training import image_steps

EXAMPLES = Path(__file__).parents[2] / "examples"
DEFAULT_TAGS = {
    "predictions",
    "feature_maps/stage1",
    "feature_maps/stage2",
    "feature_maps/stage3",
    "filters/stem.conv",
    "saliency/gradient",
    "grad_cam/stage3",
}


@pytest.mark.slow
def test_mnist_is_learnt_and_drawn(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "mnist.py"), "--epochs", "2", "--log-dir", str(tmp_path / "runs")]
    output = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    accuracy = re.search(r"Validation accuracy: ([\d.]+)%", output.stdout)
    assert accuracy is not None
    assert float(accuracy[1]) > 95
    assert output.stdout.rstrip().endswith(f"tensorboard --logdir {tmp_path / 'runs'}")
    assert "Warning" not in output.stderr

    (tmp_path / "runs" / "version_0").rename(tmp_path / "events")
    steps = image_steps(tmp_path)
    assert steps.pop("prototypes") == [156, 313]  # after each of two epochs of 157 batches
    assert steps == {tag: [0, 156, 313] for tag in DEFAULT_TAGS}
