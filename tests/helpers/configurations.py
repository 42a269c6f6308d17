"""Every public class that a user configures, with arguments that differ from the defaults."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import pytest
import torch
from matplotlib import get_data_path

import lightning_cnnviz


def likeliest(scores: torch.Tensor) -> torch.Tensor:
    return scores.argmax(1)


def center(images: torch.Tensor) -> torch.Tensor:
    return images


def alarmed(alarm: Any) -> None: ...


@dataclass(frozen=True)
class Nested:
    """A class as an argument of another one."""

    name: str
    arguments: dict[str, Any]


HERE = __name__
FUNCTIONS = {f"{HERE}.{function.__name__}": function for function in (likeliest, center, alarmed)}

COMMON: dict[str, Any] = {
    "show": 4,
    "target": [0, 2, 1],
    "every_n_epochs": 2,
    "log_untrained": False,
    "image_key": "image",
    "label_key": "label.class",
    "output_key": "logits",
    "output": "multilabel",
    "forward": "backbone",
    "mean": [0.5, 0.4, 0.3],
    "std": [0.2, 0.2, 0.1],
    "class_names": ["cat", "dog"],
    "bands": [3, 2, 1],
    "tag_prefix": "val/",
    "max_overhead": 0.1,
    "font": f"{get_data_path()}/fonts/ttf/DejaVuSerif.ttf",
    "picture_format": "jpeg",
    "on_error": "raise",
}

VIEWS: dict[str, list[dict[str, Any]]] = {
    "Change": [
        {
            "of": ["filters"],
            "since": "first",
            "layers": ["body"],
            "filter_layers": "stem.0",
            "channels": 3,
            "every_n_epochs": 2,
        }
    ],
    "ConfusionMatrix": [{"classes": 5, "every_n_epochs": 2}],
    "Contrast": [{"layers": ["body"], "every_n_epochs": 2}],
    "Film": [
        {"view": Nested("GradCAM", {"layers": ["body"]}), "rows": 4, "frames": 8, "sample": 1, "every_n_epochs": 3}
    ],
    "SampleCards": [{"layers": "body", "top": 2, "channels": 3, "most": 2, "every_n_epochs": 2}],
    "TopPatches": [{"layers": ["body"], "channels": [0, 2], "patches": 3, "share": 0.5, "every_n_epochs": 2}],
    "WorstMistakes": [{"layers": "body", "count": 3, "every_n_epochs": 2}],
    "Predictions": [{"top": 3, "every_n_epochs": 2}],
    "FeatureMaps": [
        {
            "layers": ["layer?.0.conv1", "stem"],
            "channels": [0, 5, 7],
            "sample": 1,
            "scale": "shared",
            "colormap": "magma",
            "reshape": [14, 14],
            "every_n_epochs": 2,
        },
        {"layers": "layer1", "channels": 4, "sample": None, "reshape": None},
    ],
    "Filters": [{"layers": "conv*", "filters": 16, "scale": "each", "colormap": "bone", "every_n_epochs": 3}],
    "Saliency": [
        {
            "method": "integrated_gradients",
            "reduction": "squared",
            "steps": 8,
            "noise": 0.2,
            "baseline": "zero",
            "colormap": "hot",
            "alpha": 0.25,
            "scale": "shared",
            "every_n_epochs": 2,
        },
        {"method": "gradient", "reduction": None, "steps": None, "colormap": None},
    ],
    "CAM": [{"top_channels": 5, "colormap": "turbo", "alpha": 0.4, "scale": "shared", "every_n_epochs": 2}],
    "GradCAM": [
        {
            "layers": "all",
            "variant": "layercam",
            "colormap": "viridis",
            "alpha": 0.3,
            "scale": "shared",
            "reshape": [7, 7],
            "every_n_epochs": 2,
        }
    ],
    "GuidedGradCAM": [{"layers": ["body"], "scale": "shared", "reshape": [7, 7], "every_n_epochs": 2}],
    "Prototypes": [
        {
            "classes": [0, 2],
            "regularization": 0.5,
            "optimizer": "adam",
            "steps": 4,
            "colormap": "bone",
            "every_n_epochs": 5,
        },
        {"classes": None, "steps": None},
    ],
    "ActivationMaximization": [
        {
            "layers": "last",
            "channels": [1, 2],
            "steps": 5,
            "rate": 0.5,
            "jitter": 2,
            "rotation": 5,
            "zoom": 0.2,
            "blur": 0.5,
            "total_variation": 0.1,
            "decorrelated": True,
            "scale": "each",
            "every_n_epochs": 4,
        }
    ],
    "ModelSummary": [{}],
    "Drift": [
        {
            "layers": ["stem", "body"],
            "reference": ["previous", "first"],
            "maps": ["saliency"],
            "alarm": {"drift/features": 0.5, "drift/weights": 1},
            "on_alarm": f"{HERE}.alarmed",
            "false_alarms": 0.05,
            "warm_up": 2,
            "samples": 64,
            "details": True,
            "every_n_epochs": 2,
        },
        {"reference": "best.ckpt", "alarm": "auto", "on_alarm": None, "warm_up": None},
        {"reference": "first", "alarm": None},
    ],
    "Timeline": [{"layers": "body", "feature_layers": ["stem"], "frames": 12, "every_n_epochs": 2}],
    "Flips": [{"layers": "body", "rows": 4, "changed_only": False, "every_n_epochs": 2}],
}

CALLBACKS: dict[str, list[dict[str, Any]]] = {
    "CNNVisualizer": [COMMON, {"samples": 4}, *({"target": target} for target in ("label", 2, f"{HERE}.likeliest"))],
    "FeatureMapCallback": [{**VIEWS["FeatureMaps"][0], **COMMON, "samples": 5}],
    "FilterCallback": [{**VIEWS["Filters"][0], **COMMON, "samples": 5}],
    "SaliencyCallback": [{**VIEWS["Saliency"][0], **COMMON, "samples": 5}],
    "GradCAMCallback": [{**VIEWS["GradCAM"][0], **COMMON, "samples": 5}],
    "PrototypeCallback": [{**VIEWS["Prototypes"][0], **COMMON, "samples": 5}],
    "DriftCallback": [
        {**{name: value for name, value in VIEWS["Drift"][0].items() if name != "warm_up"}, **COMMON},
        {"reference": "previous", "alarm": "auto", "samples": 9},
    ],
}
SINKS: dict[str, list[dict[str, Any]]] = {"FileSink": [{"directory": "pictures"}]}


def public(base: type) -> list[str]:
    """The public classes of a kind that can be made."""
    named = [(name, getattr(lightning_cnnviz, name)) for name in lightning_cnnviz.__all__]
    return [
        name
        for name, found in named
        if inspect.isclass(found) and issubclass(found, base) and found is not base and not inspect.isabstract(found)
    ]


def not_given(name: str) -> set[str]:
    """The arguments of a public class that no case above gives; views and sinks have cases themselves."""
    given = {**CALLBACKS, **VIEWS, **SINKS}[name]
    arguments = set(inspect.signature(getattr(lightning_cnnviz, name)).parameters) - {"options", "views", "sinks"}
    return arguments - {argument for case in given for argument in case}


def cases(base: type, given: dict[str, list[dict[str, Any]]]) -> list[Any]:
    return [
        pytest.param(name, written_out(name, arguments), id=f"{name}-{number}")
        for name in public(base)
        for number, arguments in enumerate(given.get(name, [{}]))
    ]


def written_out(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """With the defaults of all other arguments, as a configuration file has them."""
    parameters = inspect.signature(getattr(lightning_cnnviz, name)).parameters.values()
    defaults = {one.name: one.default for one in parameters if one.default is not inspect.Parameter.empty}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in {**defaults, **arguments}.items()}


def plain(arguments: dict[str, Any], node: Callable[[str, dict[str, Any]], Any]) -> dict[str, Any]:
    """As a configuration file says it, where a class stands as its node."""
    return {
        key: node(value.name, value.arguments) if isinstance(value, Nested) else value
        for key, value in arguments.items()
    }


def in_python(name: str, arguments: dict[str, Any], functions: Mapping[str, Any] = FUNCTIONS) -> Any:
    """Built in Python; functions stand for the paths that a configuration has."""
    given = plain(arguments, lambda name, inner: in_python(name, inner, functions))
    return getattr(lightning_cnnviz, name)(
        **{key: functions.get(value, value) if isinstance(value, str) else value for key, value in given.items()}
    )


def described(value: Any, known: tuple[int, ...] = ()) -> Any:
    """An object down to its numbers and texts, to be compared."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [described(one, known) for one in value]
    if isinstance(value, Mapping):
        return {key: described(one, known) for key, one in value.items()}
    if isinstance(value, functools.partial):
        return described((value.func, value.args, value.keywords), known)
    if isinstance(value, (FunctionType, type)) or not hasattr(value, "__dict__"):
        return value
    if id(value) in known:
        return "again"
    contents = {key: one for key, one in vars(value).items() if key != "position"}
    return type(value), described(contents, (*known, id(value)))
