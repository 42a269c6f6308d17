"""Projects that people train, rebuilt: trained to the same bits, and drawn or left out as docs/models.md says."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import pytest
from lightning.pytorch import seed_everything

from lightning_cnnviz import CNNVisualizer
from tests.helpers.projects import PROJECTS, Project
from tests.helpers.training import image_steps, sha, trainer

TAG_OF = {
    "Predictions": "predictions",
    "FeatureMaps": "feature_maps",
    "Filters": "filters",
    "Saliency": "saliency",
    "GradCAM": "grad_cam",
}


@pytest.mark.slow
@pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project.name)
def test_a_project_is_trained_as_ever_and_drawn_as_far_as_it_can_be(
    project: Project, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ended = {}
    for name, callbacks in (("without", []), ("with", [CNNVisualizer()])):
        seed_everything(1, verbose=False)
        model = project.task()
        with warnings.catch_warnings(record=True) as warned, caplog.at_level(logging.INFO, "lightning.pytorch"):
            warnings.simplefilter("always")
            trainer(tmp_path / name, callbacks, max_epochs=1).fit(model, project.loader(), project.loader())
        ended[name] = sha(model)
    assert ended["with"] == ended["without"]
    assert {tag.partition("/")[0] for tag in image_steps(tmp_path / "with")} == {TAG_OF[view] for view in project.drawn}
    said = [*(record.getMessage() for record in caplog.records), *(str(warning.message) for warning in warned)]
    assert any(project.told in remark for remark in said), said
