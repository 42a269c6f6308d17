"""What the plugin is at TensorBoard's start."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from lightning_cnnviz.page.plugin import Loader

_START = """
import sys
from types import SimpleNamespace
import tensorboard.program, tensorboard.plugins.base_plugin
before, opened = set(sys.modules), []
sys.addaudithook(lambda event, given: opened.append(str(given[0])) if event == "open" else None)
from lightning_cnnviz.page.plugin import Loader
loader = Loader()
loader.fix_flags(SimpleNamespace(samples_per_plugin={}))
plugin = loader.load(SimpleNamespace(data_provider=object()))  # nothing can be asked of it
plugin.get_plugin_apps(), plugin.frontend_metadata(), plugin.is_active(), plugin.data_plugin_names()
new = set(sys.modules) - before
others = {name.partition(".")[0] for name in new} - set(sys.stdlib_module_names)
assert others == {"lightning_cnnviz"}, others
assert len(new) <= 10, sorted(new)
assert not [path for path in opened if not path.endswith((".py", ".pyc"))], opened
"""


def test_at_tensorboards_start_it_loads_few_modules_none_of_others_and_reads_nothing() -> None:
    subprocess.run([sys.executable, "-c", _START], check=True)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, {"cnnviz": 5000, "images": 1000}),
        ({"images": 5, "scalars": 7}, {"cnnviz": 5000, "images": 5, "scalars": 7}),
        ({"cnnviz": 3}, {"cnnviz": 3, "images": 1000}),
    ],
)
def test_every_step_is_kept_unless_the_user_said_otherwise(given: dict[str, int], kept: dict[str, int]) -> None:
    flags = SimpleNamespace(samples_per_plugin=dict(given))
    Loader().fix_flags(flags)
    assert flags.samples_per_plugin == kept


@pytest.mark.parametrize("flags", [SimpleNamespace(), SimpleNamespace(samples_per_plugin=None), None])
def test_strange_flags_stop_nothing(flags: Any) -> None:
    Loader().fix_flags(flags)


def test_a_tensorboard_without_data_provider_goes_without_us() -> None:
    assert Loader().load(SimpleNamespace()) is None
    assert Loader().load(SimpleNamespace(data_provider=None)) is None
