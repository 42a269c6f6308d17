from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

import planted_drift

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("disturbance", ["patch", "swapped labels", "learning rate 0", "new weights", "nothing"])
def test_the_right_number_notices_at_the_right_epoch(disturbance: planted_drift.Disturbance, tmp_path: Path) -> None:
    run = planted_drift.train(0, disturbance, tmp_path)
    assert planted_drift.judge(disturbance, run).held


def test_a_disturbance_that_did_not_happen_is_not_found() -> None:
    flat = dict.fromkeys(
        [tag for signals in planted_drift.SIGNALS.values() for tag in signals.values()]
        + [f"others/drift_layers/features/stage{i}/previous" for i in (1, 2, 3)]
        + ["others/drift/hirescam_focus_shift", "concerned/drift/hirescam_focus_shift"],
        [0.1] * planted_drift.EPOCHS,
    )
    run = planted_drift.Run(flat, [], 0.9)
    found = {kind for kind in planted_drift.SIGNALS if planted_drift.judge(kind, run).held}
    assert found == {"nothing"}


def test_the_patch_is_only_on_its_digit() -> None:
    images = torch.zeros(2, 1, 28, 28)
    marked = planted_drift.patched(images, torch.tensor([planted_drift.PATCHED, 0]))
    assert marked[0].sum() == 25
    assert marked[1].sum() == images.sum() == 0
