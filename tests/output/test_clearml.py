"""ClearML, which takes over what goes to TensorBoard; in a process of its own, because it changes the whole of it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.helpers.training import fit, sha

PROGRAM = """
from pathlib import Path
from clearml import Task

Task.set_offline(True)
task = Task.init(
    "tests",
    "run",
    auto_connect_arg_parser=False,
    auto_connect_frameworks={"detect_repository": False},  # its thread, which reads all packages, can hang
    auto_resource_monitoring=False,
)

from lightning_cnnviz import CNNVisualizer, GradCAM, ModelSummary, Predictions
from tests.helpers.training import fit, sha

trained = sha(fit(Path(), [CNNVisualizer([Predictions(), GradCAM("body.2"), ModelSummary()])]))
task.flush(wait_for_uploads=True)
Path("found.txt").write_text(f"{trained} {task.get_offline_mode_folder()}")
task.close()
"""


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("clearml") is None, reason="clearml is not installed")
@pytest.mark.filterwarnings("ignore")
def test_an_offline_task_has_pictures_numbers_and_notes_at_their_steps(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "train.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "CLEARML_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    trained, folder = (tmp_path / "found.txt").read_text().split(maxsplit=1)
    assert trained == sha(fit(tmp_path / "without", [], logger=False))
    steps = defaultdict(set)
    for line in (Path(folder) / "metrics.jsonl").read_text().splitlines():
        for event in json.loads(line):
            steps[event["metric"], event["variant"]].add(event["iter"])
    assert steps["cnnviz", "1 answers_predictions"] == {0, 5, 11}
    assert steps["cnnviz", "2 looks_grad_cam_body.2"] == {0, 5, 11}
    assert steps["model_summary", "text_summary"] == {0}
    assert steps["val_loss", "val_loss"] == {5, 11}
    assert len([*Path(folder).rglob("cnnviz*.jpeg")]) == 6
