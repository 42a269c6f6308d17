"""What is wrong with an argument is refused before the first step, in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from lightning_cnnviz import (
    ActivationMaximization,
    CNNVisualizer,
    FeatureMaps,
    FileSink,
    FixedSamples,
    GradCAM,
)
from tests.helpers.training import (
    CLASSES,
    SIZE,
    SmallCNN,
    loader,
    stripes,
    trainer,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers", "ignore:.*LeafSpec", "ignore:.*log_every"
)


def test_what_is_no_sink_is_refused_before_training() -> None:
    with pytest.raises(MisconfigurationException, match="CNNVisualizer: sinks must be None or a sequence of sinks"):
        CNNVisualizer(sinks=FileSink("pictures"))  # type: ignore[arg-type]


class NoConvolution(SmallCNN):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.body, self.head = nn.Flatten(), nn.Identity(), nn.Linear(SIZE * SIZE, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.head(self.stem(images))
        return scores


BAD_ARGUMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "views of another kind": ({"views": ["GradCAM"]}, "views must be a sequence of views"),
    "no views": ({"views": []}, "at least one view"),
    "no samples": ({"samples": 0}, "samples must be at least 1, got 0"),
    "show": ({"show": 0}, "show must be a positive integer"),
    "every_n_epochs": ({"every_n_epochs": 0}, "every_n_epochs must be a positive integer"),
    "unknown target": ({"target": "winner"}, "allowed are 'predicted', 'label'"),
    "negative target": ({"target": -1}, "classes count from 0"),
    "on_error": ({"on_error": "ignore"}, "allowed are 'warn', 'raise'"),
    "mean without std": ({"samples": FixedSamples(torch.zeros(1, 1, 8, 8)), "mean": [0.5]}, "std"),
}


@pytest.mark.parametrize("case", BAD_ARGUMENTS)
def test_bad_arguments_are_refused_at_once(case: str) -> None:
    options, message = BAD_ARGUMENTS[case]
    with pytest.raises(MisconfigurationException, match=message):
        CNNVisualizer(**options)


def _samples(**changes: Any) -> FixedSamples:
    images, labels = stripes(4).tensors
    return FixedSamples(**{"images": images, "labels": labels, **changes})


BAD_FITS: dict[str, tuple[dict[str, Any], type[SmallCNN], str]] = {
    "unknown layer": ({"views": [FeatureMaps("bodi")]}, SmallCNN, "nearest: body"),
    "layer without map": ({"views": [GradCAM("head")]}, SmallCNN, "no spatial output"),
    "class names too few": ({"class_names": ["a", "b"]}, SmallCNN, "class_names|label"),
    "mean of another length": ({"mean": [0.1, 0.2], "std": [1.0, 1.0]}, SmallCNN, "mean"),
    "target out of range": ({"target": 3}, SmallCNN, "classes 0 to 2"),
    "targets of another number": ({"target": [0, 1]}, SmallCNN, "2 classes for 8 samples"),
    "label without labels": ({"target": "label", "label_key": None}, SmallCNN, "needs labelled samples"),
    "no image under the key": ({"image_key": 1}, SmallCNN, "image_key"),
    "channels out of range": ({"views": [FeatureMaps(channels=[99])]}, SmallCNN, "channels=\\[99\\]"),
    "channels to excite": ({"views": [ActivationMaximization("body", [99])]}, SmallCNN, "channels=\\[99\\]"),
}


@pytest.mark.parametrize("case", BAD_FITS)
def test_bad_input_is_refused_before_training(tmp_path: Path, case: str) -> None:
    options, model, message = BAD_FITS[case]
    run = trainer(tmp_path, [CNNVisualizer(**options)])
    with pytest.raises(MisconfigurationException, match=message):
        run.fit(model(), loader(), loader())
    assert run.global_step == 0
