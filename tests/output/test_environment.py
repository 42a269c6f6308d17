from __future__ import annotations

import sys
import warnings
from pathlib import Path
from types import ModuleType

import pytest
from lightning.pytorch import Callback, LightningModule, Trainer

from lightning_cnnviz import CNNVisualizer, Drift, DriftCallback, Filters, GradCAM
from lightning_cnnviz.output.environment import opencv_problem
from tests.helpers.training import fit, image_steps, sha

GONE = {
    "missing": None,
    "the folder that an uninstalled one leaves": ModuleType("cv2"),
}


def test_a_working_opencv_is_no_problem() -> None:
    assert opencv_problem() is None


@pytest.mark.parametrize("left", GONE.values(), ids=GONE)
def test_what_is_wrong_and_what_to_do(left: ModuleType | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", left)
    problem = opencv_problem()
    assert problem is not None
    assert problem.startswith("OpenCV cannot be imported (")
    assert "; installed: opencv-python" in problem
    assert problem.endswith("then `pip install opencv-python-headless`")


@pytest.mark.slow
@pytest.mark.parametrize("left", GONE.values(), ids=GONE)
def test_a_run_without_opencv_costs_one_warning(
    left: ModuleType | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Monitored(Callback):
        def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
            seen.update(trainer.callback_metrics)

    seen: set[str] = set()
    expected = sha(fit(tmp_path / "without", []))
    monkeypatch.setitem(sys.modules, "cv2", left)
    callbacks = [CNNVisualizer([Filters(), GradCAM(), Drift()]), DriftCallback(tag_prefix="again/"), Monitored()]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert sha(fit(tmp_path, callbacks)) == expected
    [told] = [str(one.message) for one in caught if "lightning_cnnviz" in one.filename]
    assert told.startswith("nothing will be drawn: OpenCV cannot be imported")
    assert image_steps(tmp_path) == {}
    assert {"drift/features", "again/drift/features"} <= seen
