"""Every public class that a user configures, built from YAML as LightningCLI builds it, and built in Python."""

from __future__ import annotations

import functools
import re
from typing import Any

import pytest
import yaml
from jsonargparse import ArgumentParser
from lightning.pytorch import Callback

from lightning_cnnviz import Sink, View
from tests.helpers.configurations import CALLBACKS, SINKS, VIEWS, cases, described, in_python, not_given, plain, public

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@functools.cache
def parser() -> ArgumentParser:
    made = ArgumentParser(exit_on_error=False)
    made.add_argument("--callback", type=Callback)
    return made


def nested(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"class_path": f"lightning_cnnviz.{name}", "init_args": plain(arguments, nested)}


def from_yaml(name: str, arguments: dict[str, Any]) -> Any:
    """Built from a YAML text."""
    text = yaml.safe_dump({"callback": nested(name, arguments)})
    return parser().instantiate_classes(parser().parse_string(text)).callback


@pytest.mark.parametrize(("name", "arguments"), cases(Callback, CALLBACKS))
def test_callbacks(name: str, arguments: dict[str, Any]) -> None:
    assert described(from_yaml(name, arguments)) == described(in_python(name, arguments))


@pytest.mark.parametrize(("name", "arguments"), cases(View, VIEWS))
def test_views(name: str, arguments: dict[str, Any]) -> None:
    made = from_yaml("CNNVisualizer", {"views": [nested(name, arguments)]})
    assert described(made.views) == described([in_python(name, arguments)])


@pytest.mark.parametrize(("name", "arguments"), cases(Sink, SINKS))
def test_sinks(name: str, arguments: dict[str, Any]) -> None:
    made = from_yaml("CNNVisualizer", {"sinks": [nested(name, arguments)]})
    assert described(made.sinks) == described([in_python(name, arguments)])


@pytest.mark.parametrize("name", [*public(Callback), *public(View), *public(Sink)])
def test_every_argument_is_built(name: str) -> None:
    assert not_given(name) == set()


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
