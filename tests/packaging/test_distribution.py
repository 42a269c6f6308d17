"""What would be uploaded: built, read, installed where nothing else is, and used far from the checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import lightning_cnnviz
from lightning_cnnviz.page.report import read_report

ROOT = Path(__file__).parents[2]
UV = [sys.executable, "-m", "uv"]


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """What a command printed, run without the checkout on Python's path."""
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    environment["OMP_NUM_THREADS"] = "1"
    done = subprocess.run(
        command, cwd=cwd, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution and the wheel made of it."""
    folder = tmp_path_factory.mktemp("dist")
    run(*UV, "build", "--quiet", "--out-dir", folder, ROOT)
    return folder


def test_one_version_is_said() -> None:
    version = lightning_cnnviz.__version__
    assert re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), flags=re.M)[1] == version  # type: ignore[index]
    preface, _, entries = (ROOT / "CHANGELOG.md").read_text().partition("\n## ")
    assert f"now {version}." in preface
    assert entries.startswith("Unreleased\n")
    kinds = set(re.findall(r"^### (.*)$", entries, flags=re.M))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


@pytest.mark.slow
def test_the_wheel_holds_the_package_alone(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    files = set(zipfile.ZipFile(wheel).namelist())
    ours = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "lightning_cnnviz").split()
    assert {name for name in files if ".dist-info/" not in name} == set(ours)  # code, the page, py.typed; no tests
    about = f"lightning_cnnviz-{lightning_cnnviz.__version__}.dist-info"
    assert {f"{about}/licenses/LICENSE", f"{about}/entry_points.txt"} <= files
    # Text is set in the font that matplotlib brings with its licence: a font of our own would need one here.
    assert not [name for name in files if name.endswith((".ttf", ".otf", ".woff", ".woff2"))]


@pytest.mark.slow
def test_the_sources_come_with_tests_examples_and_docs(built: Path) -> None:
    (sources,) = built.glob("*.tar.gz")
    with tarfile.open(sources) as archive:
        files = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "examples/data/mnist_subset.npz", "docs/index.md", "tests/conftest.py", ".ci/run"} <= files
    assert sources.stat().st_size < 6_000_000
    run(sys.executable, "-m", "twine", "check", "--strict", *built.glob("lightning_cnnviz*"))


@pytest.mark.slow
def test_the_wheel_trains_and_reports_where_nothing_else_is_installed(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    python = tmp_path / "venv/bin/python"
    run(*UV, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv")
    # The versions of the environment that tests: the newest of the registry are for .ci/versions.
    versions = tmp_path / "versions.txt"
    versions.write_text(run(*UV, "pip", "freeze", "--quiet", "--exclude-editable", "--python", sys.executable))
    run(*UV, "pip", "install", "--quiet", "--python", python, "-c", versions, f"{wheel}[examples]")

    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    where = run(python, "-c", "import lightning_cnnviz; print(lightning_cnnviz.__file__)", cwd=tmp_path)
    assert where.startswith(str(tmp_path / "venv"))
    printed = run(python, "examples/mnist.py", "--epochs", "1", cwd=tmp_path)
    assert float(re.search(r"Validation accuracy: ([\d.]+)%", printed)[1]) > 90  # type: ignore[index]
    run(python, "-m", "lightning_cnnviz", "report", "lightning_logs", cwd=tmp_path)
    (record,) = read_report((tmp_path / "lightning_logs/report.html").read_bytes())
    assert len(record.looks) == 2  # untrained, and after the epoch
    plugins = "import importlib.metadata as m; print(m.entry_points(group='tensorboard_plugins').names)"
    assert "lightning_cnnviz" in run(python, "-c", plugins, cwd=tmp_path)
