"""Every public class that a user configures, built from YAML as LightningCLI builds it, and built in Python."""

from __future__ import annotations

import functools
import inspect
import re
from types import FunctionType
from typing import Any

import pytest
import torch
import yaml
from jsonargparse import ArgumentParser
from lightning.pytorch import Callback

import lightning_cnnviz
from lightning_cnnviz import Sink, View

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def likeliest(scores: torch.Tensor) -> torch.Tensor:
    return scores.argmax(1)


def center(images: torch.Tensor) -> torch.Tensor:
    return images


def alarmed(alarm: Any) -> None: ...


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
    "picture_format": "jpeg",
    "on_error": "raise",
}

VIEWS: dict[str, list[dict[str, Any]]] = {
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


def cases(base: type, given: dict[str, list[dict[str, Any]]]) -> list[Any]:
    return [
        pytest.param(name, arguments, id=f"{name}-{number}")
        for name in public(base)
        for number, arguments in enumerate(given.get(name, [{}]))
    ]


def written_out(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """With the defaults of all other arguments."""
    parameters = inspect.signature(getattr(lightning_cnnviz, name)).parameters.values()
    defaults = {one.name: one.default for one in parameters if one.kind is not one.VAR_KEYWORD}
    return {**{key: value for key, value in defaults.items() if value is not inspect.Parameter.empty}, **arguments}


def in_python(value: Any) -> Any:
    """The functions that paths in a configuration stand for."""
    return FUNCTIONS.get(value, value) if isinstance(value, str) else value


@functools.cache
def parser() -> ArgumentParser:
    made = ArgumentParser(exit_on_error=False)
    made.add_argument("--callback", type=Callback)
    return made


def from_yaml(name: str, arguments: dict[str, Any]) -> Any:
    """Built from a YAML text."""
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in arguments.items()}
    text = yaml.safe_dump({"callback": {"class_path": f"lightning_cnnviz.{name}", "init_args": plain}})
    return parser().instantiate_classes(parser().parse_string(text)).callback


def nested(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"class_path": f"lightning_cnnviz.{name}", "init_args": arguments}


def described(value: Any, known: tuple[int, ...] = ()) -> Any:
    """An object down to its numbers and texts, to be compared."""
    if isinstance(value, (list, tuple)):
        return [described(one, known) for one in value]
    if isinstance(value, dict):
        return {key: described(one, known) for key, one in value.items()}
    if isinstance(value, functools.partial):
        return described((value.func, value.args, value.keywords), known)
    if isinstance(value, (FunctionType, type)) or not hasattr(value, "__dict__"):
        return value
    if id(value) in known:
        return "again"
    contents = {key: one for key, one in vars(value).items() if key != "_position"}
    return type(value), described(contents, (*known, id(value)))


@pytest.mark.parametrize(("name", "arguments"), cases(Callback, CALLBACKS))
def test_callbacks(name: str, arguments: dict[str, Any]) -> None:
    arguments = written_out(name, arguments)
    expected = getattr(lightning_cnnviz, name)(**{key: in_python(value) for key, value in arguments.items()})
    assert described(from_yaml(name, arguments)) == described(expected)


@pytest.mark.parametrize(("name", "arguments"), cases(View, VIEWS))
def test_views(name: str, arguments: dict[str, Any]) -> None:
    arguments = written_out(name, arguments)
    expected = getattr(lightning_cnnviz, name)(**{key: in_python(value) for key, value in arguments.items()})
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in arguments.items()}
    made = from_yaml("CNNVisualizer", {"views": [nested(name, plain)]})
    assert described(made.views) == described([expected])


@pytest.mark.parametrize(("name", "arguments"), cases(Sink, SINKS)[:1])
def test_sinks(name: str, arguments: dict[str, Any]) -> None:
    made = from_yaml("CNNVisualizer", {"sinks": [nested(name, arguments)]})
    assert described(made.sinks) == described([getattr(lightning_cnnviz, name)(**arguments)])


@pytest.mark.parametrize("name", public(Callback))
def test_help_tells_of_every_argument(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args([f"--callback.help=lightning_cnnviz.{name}"])
    told = capsys.readouterr().out
    # An entry is the names of the argument, its documentation, its type and default: without documentation the type
    # comes first.
    entries = re.findall(r"^  --callback\.(\w+) .*\n?((?: {10,}.*\n?)*)", told, flags=re.M)
    assert {argument for argument, text in entries if text.strip().startswith("(")} == set()
    assert {argument for argument, _ in entries} >= {"samples", "target", "tag_prefix"}
