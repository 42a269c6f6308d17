"""The direction of imports, read from the source: callbacks and sinks on top, mathematics at the bottom."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "lightning_cnnviz"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
MAY_IMPORT_LIGHTNING = {"callbacks.py", "sinks.py"}


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
    where = path.relative_to(PACKAGE).parts[0]
    if where not in MAY_IMPORT_LIGHTNING:
        assert "lightning" not in third_party(path)
    if where == "methods":
        assert third_party(path) <= {"torch"}
        assert all(name.startswith("methods") for name in own(path))
    if where == "render":
        assert not third_party(path) & {"torch", "torchvision"}
        assert all(name.startswith(("render", "artifacts")) for name in own(path))
    if where == "views":
        assert not own(path) & {"callbacks", "session", "sinks", "writer", "probe", "guest", "explain"}
    if where in {"guest.py", "layers.py", "probe.py", "evidence.py", "targets.py"}:
        assert not {name.partition(".")[0] for name in own(path)} & {"views", "render", "sinks", "session", "callbacks"}


def test_only_the_guest_and_the_probe_hook_or_call_models() -> None:
    hooking = {path.name for path in MODULES if "register_forward_hook(" in path.read_text()}
    assert hooking <= {"probe.py", "recording.py", "survey.py"}
    assert not [path.name for path in MODULES if ".backward(" in path.read_text()]


def test_importing_does_no_work() -> None:
    code = (
        "import sys, threading, lightning_cnnviz; "
        "assert threading.active_count() == 1, threading.enumerate(); "
        "assert not {'matplotlib', 'torchvision'} & (sys.modules.keys() - before), sys.modules.keys()"
    )
    preloaded = "import sys, lightning.pytorch; before = set(sys.modules); "
    subprocess.run([sys.executable, "-c", preloaded + code], check=True)
