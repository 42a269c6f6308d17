"""The direction of imports, read from the source: training on top, mathematics at the bottom."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "lightning_cnnviz"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")
ALLOWED = {
    "arguments.py": set(),
    "fields.py": set(),
    "keys.py": set(),
    "output/artifacts.py": set(),
    "guard": {"guard"},
    "render": {"render", "output.artifacts"},
    "methods": {"methods"},
    "output": {"output", "render", "page.report"},
    "samples": {"guard", "samples", "output.artifacts", "render", "methods"},
    "model": {"guard", "model", "samples", "output.artifacts", "methods"},
    "model/outputs": {"model.outputs", "samples"},
    "model/layers": {"model.layers", "model.outputs", "model.handing", "samples"},
    "model/survey": {"model", "samples", "guard"},
    "views": {"views", "model", "samples", "output.artifacts", "render", "methods"},
    "drift": {"drift", "views", "model", "samples", "output.artifacts", "render", "methods"},
    "look.py": {"guard", "views", "drift", "model", "samples", "output.artifacts"},
    "explain.py": {"look", "views", "drift", "model", "samples", "output", "render"},
    "comparison": {"comparison", "explain", "views", "drift", "model", "samples", "output", "render", "methods"},
    "data_drift.py": {"comparison", "explain", "look", "views", "model", "samples", "output.artifacts"},
    "compare.py": {"comparison", "explain", "look", "views", "drift", "model", "samples"},
    "page/report.py": set(),
    "page": {"page", "output"},
    "__main__.py": {"page", "output", "compare", "model", "training"},
    "training": {"guard", "training", "look", "views", "drift", "model", "samples", "output", "render", "methods"},
}
"""By room, or by file where a file is more restricted: what it may import of the package."""

THIRD_PARTY = {"methods": {"torch"}, "render": {"numpy", "PIL", "cv2", "matplotlib"}}


@cache
def imports(path: Path) -> set[str]:
    """All modules that a file imports, also inside functions and for type checking."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add(node.module)
    return found


def own(path: Path) -> set[str]:
    return {name.removeprefix("lightning_cnnviz.") for name in imports(path) if name.startswith("lightning_cnnviz.")}


def third_party(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)} - set(sys.stdlib_module_names) - {"lightning_cnnviz"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    file = path.relative_to(PACKAGE)
    room = file.parts[0]
    allowed = next(ALLOWED[str(place)] for place in (file, *file.parents) if str(place) in ALLOWED)
    known = {"arguments", "fields", "keys", *allowed}  # everybody checks arguments
    strangers = {name for name in own(path) if not any(f"{name}.".startswith(f"{other}.") for other in known)}
    assert not strangers
    if room != "training":
        assert not third_party(path) & {"lightning", "pytorch_lightning"}
    if room in THIRD_PARTY:
        assert third_party(path) <= THIRD_PARTY[room]


def test_only_the_model_room_hooks_or_calls_models() -> None:
    hooking = {path.parent.name for path in MODULES if "register_forward_hook(" in path.read_text()}
    assert hooking == {"model"}
    assert not [path.name for path in MODULES if ".backward(" in path.read_text()]


def test_importing_does_no_work() -> None:
    code = (
        "import sys, threading, lightning_cnnviz, lightning_cnnviz.page\n"
        "assert threading.active_count() == 1, threading.enumerate()\n"
        "assert not {'torch', 'numpy', 'lightning', 'matplotlib'} & sys.modules.keys(), sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_a_public_name_is_loaded_when_it_is_used() -> None:
    code = (
        "import sys, lightning_cnnviz\n"
        "assert callable(lightning_cnnviz.compare) and callable(lightning_cnnviz.explain)\n"
        "import lightning_cnnviz.explain, lightning_cnnviz.compare\n"
        "assert 'torchvision' not in sys.modules, 'it costs a second'\n"
        "from lightning_cnnviz import *\n"
        "assert callable(compare) and callable(explain) and Explanation().pictures == {}\n"
        "assert set(lightning_cnnviz.__all__) <= set(dir(lightning_cnnviz))\n"
        "try: lightning_cnnviz.nothing\n"
        "except AttributeError as error: assert 'nothing' in str(error)\n"
        "else: raise AssertionError\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
