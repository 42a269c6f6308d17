"""Every public class that a user configures, built by Hydra; and the file that users of its template drop in."""

from __future__ import annotations

import functools
import re
import shutil
import sys
import types
from pathlib import Path
from typing import Any

import hydra
import pytest
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from omegaconf import DictConfig, OmegaConf

from lightning_cnnviz import CNNVisualizer, DriftCallback, Sink, View
from tests.helpers.configurations import CALLBACKS, FUNCTIONS, SINKS, VIEWS, alarmed, cases, described, in_python, plain
from tests.helpers.training import SmallCNN, fit, image_steps, loader, resuming, trainer

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "configs" / "callbacks" / "cnnviz.yaml"
PARTIALS = {path: functools.partial(function) for path, function in FUNCTIONS.items()}


def node(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """How a configuration names a class; a function is one of which no argument is given yet."""
    functions = {
        key: {"_target_": value, "_partial_": True}
        for key, value in arguments.items()
        if isinstance(value, str) and value in FUNCTIONS
    }
    return {"_target_": f"lightning_cnnviz.{name}", **plain(arguments, node), **functions}


def made(configuration: dict[str, Any]) -> Any:
    return hydra.utils.instantiate(OmegaConf.create(configuration))


@pytest.mark.parametrize(("name", "arguments"), cases(Callback, CALLBACKS))
def test_callbacks(name: str, arguments: dict[str, Any]) -> None:
    assert described(made(node(name, arguments))) == described(in_python(name, arguments, PARTIALS))


@pytest.mark.parametrize(("name", "arguments"), [*cases(View, VIEWS), *cases(Sink, SINKS)])
def test_views_and_sinks(name: str, arguments: dict[str, Any]) -> None:
    listed = "sinks" if name in SINKS else "views"
    callback = made(node("CNNVisualizer", {listed: [node(name, arguments)]}))
    assert described(getattr(callback, listed)) == described([in_python(name, arguments, PARTIALS)])


def composed(tmp_path: Path, *overrides: str) -> DictConfig:
    """As a project made from the template has it."""
    callbacks = tmp_path / "configs" / "callbacks"
    callbacks.mkdir(parents=True)
    shutil.copy(EXAMPLE, callbacks)
    (callbacks / "default.yaml").write_text("defaults:\n  - cnnviz\n  - _self_\n")
    (tmp_path / "configs" / "train.yaml").write_text("defaults:\n  - _self_\n  - callbacks: default\n")
    with hydra.initialize_config_dir(str(tmp_path / "configs"), version_base="1.3"):
        return hydra.compose("train", overrides=list(overrides))


def callbacks_of(configuration: DictConfig) -> list[Any]:
    """What the template's `instantiate_callbacks` does."""
    return [hydra.utils.instantiate(one) for one in configuration.callbacks.values() if "_target_" in one]


def test_the_example_is_the_callback_without_arguments(tmp_path: Path) -> None:
    [callback] = callbacks_of(composed(tmp_path))
    assert described(callback) == described(CNNVisualizer())


def test_the_command_line_changes_the_example(tmp_path: Path) -> None:
    changes = ["callbacks.cnnviz.every_n_epochs=2", "callbacks.cnnviz.target=[0,1]", "callbacks.cnnviz.tag_prefix=a/"]
    [callback] = callbacks_of(composed(tmp_path, *changes))
    assert described(callback) == described(CNNVisualizer(every_n_epochs=2, target=[0, 1], tag_prefix="a/"))


@pytest.mark.slow
def test_a_run_and_its_resume_with_lists_of_omegaconf(tmp_path: Path) -> None:
    views = [
        node("FeatureMaps", {"layers": ["stem", "body"], "channels": [0, 2]}),
        node("Prototypes", {"classes": [0, 1], "steps": 2}),
        node(
            "Drift", {"reference": ["previous"], "maps": ["saliency"], "alarm": {"drift/features": 0.0}, "warm_up": 1}
        ),
    ]
    listed = {"class_names": ["a", "b", "c"], "mean": [0.1], "std": [0.2], "target": [0, 1, 2, 0, 1, 2, 0, 1]}
    configuration = composed(tmp_path)
    configuration.callbacks.cnnviz.update({"views": views, **listed})
    checkpoint = ModelCheckpoint(tmp_path, filename="run")
    fit(tmp_path / "run", [*callbacks_of(configuration), checkpoint], enable_checkpointing=True)
    tags = {"feature_maps/stem", "feature_maps/body", "prototypes", "alarms"}
    assert tags <= set(image_steps(tmp_path / "run"))
    resumed = callbacks_of(configuration)
    again = trainer(tmp_path / "again", resumed, max_epochs=3)
    again.fit(SmallCNN(), loader(), loader(), **resuming(tmp_path / "run.ckpt", weights_only=True))
    assert tags <= set(image_steps(tmp_path / "again"))
    assert resumed[0].samples.class_names == ("a", "b", "c")


def test_the_configuration_of_the_docs(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = types.ModuleType("my_project")
    module.alarmed = alarmed
    monkeypatch.setitem(sys.modules, "my_project", module)
    [text] = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs" / "cli.md").read_text(), flags=re.M | re.S)
    [callback] = callbacks_of(OmegaConf.create(text))
    expected = DriftCallback(reference=["previous", "first"], alarm="auto", on_alarm=functools.partial(alarmed))
    assert described(callback) == described(expected)
