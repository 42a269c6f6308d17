"""Names, arguments and defaults that others rely on."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import lightning_cnnviz
from lightning_cnnviz import (
    CAM,
    ActivationMaximization,
    CNNVisualizer,
    FeatureMapCallback,
    FeatureMaps,
    FilterCallback,
    Filters,
    FixedSamples,
    GradCAM,
    GradCAMCallback,
    GuidedGradCAM,
    Predictions,
    PrototypeCallback,
    Prototypes,
    Saliency,
    SaliencyCallback,
    explain,
)

CONTRACT: dict[Any, dict[str, Any]] = {
    CNNVisualizer: {
        "views": None,
        "samples": 8,
        "show": 8,
        "target": "predicted",
        "every_n_epochs": 1,
        "log_untrained": True,
        "image_key": 0,
        "label_key": 1,
        "output_key": None,
        "mean": None,
        "std": None,
        "class_names": None,
        "tag_prefix": "",
        "on_error": "warn",
    },
    FixedSamples: {"labels": None, "class_names": None, "mean": None, "std": None, "originals": None},
    FixedSamples.from_dataset: {"indices": None, "per_class": None},
    explain: {"views": None, "target": "predicted"},
    Predictions: {"top": 5},
    FeatureMaps: {"layers": "auto", "channels": 8},
    Filters: {"layers": "first"},
    Saliency: {"method": "gradient"},
    CAM: {"top_channels": None},
    GradCAM: {"layers": "last", "variant": "gradcam"},
    GuidedGradCAM: {"layers": "last"},
}


@pytest.mark.parametrize("called", CONTRACT, ids=lambda called: called.__qualname__)
def test_arguments_have_their_names_and_defaults(called: Any) -> None:
    parameters = inspect.signature(called).parameters
    assert {name: parameters[name].default for name in CONTRACT[called]} == CONTRACT[called]


def test_all_but_views_and_samples_are_keywords() -> None:
    parameters = list(inspect.signature(CNNVisualizer).parameters.values())
    assert [parameter.kind for parameter in parameters[:2]] == [inspect.Parameter.POSITIONAL_OR_KEYWORD] * 2
    assert {parameter.kind for parameter in parameters[2:]} == {inspect.Parameter.KEYWORD_ONLY}


def test_activation_maximization_takes_layers_and_channels_first() -> None:
    assert list(inspect.signature(ActivationMaximization).parameters)[:2] == ["layers", "channels"]


def test_public_names_are_documented() -> None:
    for name in lightning_cnnviz.__all__:
        assert inspect.getdoc(getattr(lightning_cnnviz, name)), name


@pytest.mark.parametrize(
    ("callback", "view"),
    [
        (FeatureMapCallback, FeatureMaps),
        (FilterCallback, Filters),
        (SaliencyCallback, Saliency),
        (GradCAMCallback, GradCAM),
        (PrototypeCallback, Prototypes),
    ],
)
def test_one_view_callbacks_take_the_arguments_of_their_view_first(callback: Any, view: Any) -> None:
    own = inspect.signature(view).parameters.copy()
    del own["every_n_epochs"]  # the callback's own
    taken = inspect.signature(callback).parameters
    assert [(name, taken[name].default) for name in list(taken)[:-1]] == [(name, own[name].default) for name in own]
    assert repr(callback(tag_prefix="again/").views[0]) == repr(view())
