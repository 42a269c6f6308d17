"""Every parameter of everything public given what is wrong for it: one error that names it, where it is given."""

from __future__ import annotations

import inspect
import re
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import nn

import lightning_cnnviz
from lightning_cnnviz import (
    Array,
    CNNVisualizer,
    Evidence,
    Explanation,
    FileSink,
    Film,
    FixedSamples,
    Layout,
    Note,
    Picture,
    Predictions,
    Request,
    Scalar,
    Sink,
    View,
    compare,
    data_drift,
    explain,
    overlay_sheet,
    register_sink,
)
from lightning_cnnviz.arguments import ArgumentError
from lightning_cnnviz.output.artifacts import Artifact
from lightning_cnnviz.samples import Background, Mark, Occlusion, Patch, Recolor, Truth
from tests.helpers.training import SmallCNN, loader, trainer
from tests.helpers.wrong_values import WRONG

IMAGES, LABELS = torch.linspace(0, 1, 8 * 64).view(8, 1, 8, 8), torch.arange(8) % 3
SAMPLES = FixedSamples(IMAGES, LABELS).with_patch()
MODEL = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))


class Any1(View):
    """A view of somebody's own."""

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        return Request()

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        self.evidence = evidence
        yield Scalar("nothing", 0.0)


def evidence() -> Evidence:
    view = Any1()
    explain(MODEL, SAMPLES, [view])
    return view.evidence


def cases() -> dict[str, tuple[Callable[..., Any], dict[str, Any]]]:
    """What is public and takes arguments, by name, with what it cannot do without."""
    seen, folder = evidence(), tempfile.mkdtemp()
    items = [(image, int(label)) for image, label in zip(IMAGES, LABELS, strict=True)]
    picture = Path(folder) / "a.png"
    explain(MODEL, SAMPLES, [Predictions()]).save(folder)
    (Path(folder) / "predictions.png").rename(picture)
    needed: dict[Callable[..., Any], dict[str, Any]] = {
        FixedSamples: {"images": IMAGES},
        FileSink: {"directory": folder},
        Film: {"view": Predictions()},
        register_sink: {"logger_class": "NobodysLogger", "factory": lambda logger: None},
        explain: {"model": MODEL, "samples": SAMPLES},
        compare: {"model_a": MODEL, "model_b": MODEL, "samples": SAMPLES},
        data_drift: {"model": MODEL, "reference": IMAGES.repeat(3, 1, 1, 1), "current": IMAGES.repeat(3, 1, 1, 1)},
        overlay_sheet: {"evidence": seen, "tag": "a", "maps": torch.rand(8, 4, 4), "title": "a"},
        Array: {"tag": "a", "values": torch.ones(2)},
        Scalar: {"tag": "a", "value": 0.5},
        Note: {"tag": "a", "text": "a"},
        Picture: {"tag": "a", "figure": np.zeros((4, 4, 3), np.uint8)},
        Evidence: {
            "samples": SAMPLES,
            "layout": seen.layout,
            "probabilities": torch.ones(8, 3),
            "target_classes": None,
        },
        Layout: {"layers": ()},
    }
    public = {name: getattr(lightning_cnnviz, name) for name in lightning_cnnviz.__all__}
    found = {name: (one, needed.get(one, {})) for name, one in public.items() if one not in (Artifact, Sink, View)}
    return found | {
        "View": (Any1, {}),
        "from_dataset": (FixedSamples.from_dataset, {"dataset": items}),
        "from_files": (
            FixedSamples.from_files,
            {"paths": [picture], "transform": lambda picture: torch.zeros(1, 4, 4)},
        ),
        "with_patch": (SAMPLES.with_patch, {}),
        "perturbed_samples": (SAMPLES.perturbed_samples, {"name": "patch"}),
        "save": (partial(Explanation.save, Explanation()), {"directory": folder}),
        "write": (partial(Explanation.write, Explanation()), {"sink": FileSink(folder), "step": 0}),
        "Mark": (Mark, {}),
        "Patch": (Patch, {"pixels": torch.ones(1, 2, 2)}),
        "Occlusion": (Occlusion, {}),
        "Background": (Background, {}),
        "Recolor": (Recolor, {}),
        "Truth": (Truth, {"kind": "classes", "values": LABELS}),
    }


CASES = cases()
VIEWS = [name for name, (one, _) in CASES.items() if isinstance(one, type) and issubclass(one, View)]
CALLBACKS = [name for name, (one, _) in CASES.items() if isinstance(one, type) and issubclass(one, CNNVisualizer)]
SLOW = {"from_files": pytest.mark.slow}  # it imports torchvision
CHEAP: dict[str, dict[str, Any]] = {"Prototypes": {"steps": 1}, "ActivationMaximization": {"steps": 1}}


def parameters(called: Callable[..., Any]) -> list[str]:
    every = inspect.signature(called).parameters.values()
    return [one.name for one in every if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]


def tried(call: Callable[[], Any]) -> tuple[Any, Exception | None]:
    """What came of it, or the error."""
    try:
        return call(), None
    except Exception as error:
        return None, error


def names(error: Exception, parameter: str) -> bool:
    return re.search(rf"\b{parameter}\b", str(error)) is not None


def accepted(name: str, extra: dict[str, Any] | None = None) -> Iterator[tuple[str, str, Any]]:
    """What is taken for each parameter, with what came of it; what is refused must be refused by name."""
    called, needed = CASES[name]
    kinds = MisconfigurationException if name in CALLBACKS else (ValueError, TypeError)
    for parameter in parameters(called):
        for what, value in WRONG.items():
            if callable(value) and parameter in ("target", "forward"):
                continue  # what a function raises is the function's
            made, error = tried(partial(called, **{**needed, **(extra or {}), parameter: value}))
            if error is None:
                yield parameter, what, made
            else:
                assert isinstance(error, kinds), f"{parameter}={what}: {error!r:.200}"
                assert names(error, parameter), f"{parameter}={what}: {error}"


@pytest.mark.parametrize("name", [pytest.param(name, marks=SLOW.get(name, ())) for name in CASES])
def test_what_is_wrong_is_refused_by_name_where_it_is_given(name: str) -> None:
    called, needed = CASES[name]
    called(**needed)
    taken: dict[str, set[str]] = {parameter: set() for parameter in parameters(called)}
    for parameter, what, _ in accepted(name):
        taken[parameter].add(what)
    for parameter, what in taken.items():
        assert "a thing" not in what or (name, parameter) in ANYTHING, parameter
        assert ("2" in what) == ("NumPy's 2" in what), f"{parameter} takes 2 only of Python or only of NumPy"
        assert ("0.5" in what) == ("NumPy's 0.5" in what), f"{parameter} takes 0.5 only of Python or only of NumPy"


ANYTHING: set[tuple[str, str]] = set()
"""Parameters that take whatever comes."""


@pytest.mark.slow
@pytest.mark.parametrize("name", VIEWS)
def test_what_a_view_takes_it_draws(name: str) -> None:
    for parameter, what, view in accepted(name, CHEAP.get(name)):
        if what == "a huge number":
            continue  # whoever asks for so many steps waits for them
        _, error = tried(partial(explain, MODEL, SAMPLES, [view]))
        if error is not None:  # then by a name that this model does not have
            assert isinstance(error, ArgumentError), f"{parameter}={what}: {error!r:.200}"
            assert names(error, parameter), f"{parameter}={what}: {error}"


@pytest.mark.slow
def test_with_what_the_callback_takes_it_trains(tmp_path: Path) -> None:
    for number, (parameter, what, callback) in enumerate(accepted("CNNVisualizer")):
        run = trainer(tmp_path / str(number), [callback], max_epochs=1, limit_train_batches=1)
        _, error = tried(partial(run.fit, SmallCNN(), loader(), loader()))
        if error is None:
            assert run.global_step == 1, f"{parameter}={what}"
            assert callback.failures.working(callback.views) == callback.views, f"{parameter}={what}"
        else:
            assert isinstance(error, MisconfigurationException), f"{parameter}={what}: {error!r:.200}"
            assert names(error, parameter), f"{parameter}={what}: {error}"
            assert run.global_step == 0, f"{parameter}={what}"
