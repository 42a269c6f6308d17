"""The commands and the configurations of docs/cli.md, run as a user would."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
import types
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch import LightningDataModule, LightningModule
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.transforms.functional import to_tensor

from tests.helpers.training import image_tags

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
COMMANDS = [
    line for block in re.findall(r"^```bash\n(.*?)^```$", PAGE, flags=re.M | re.S) for line in block.splitlines()
]
CONFIGURATIONS = re.findall(r'^```yaml title="config.yaml"\n(.*?)^```$', PAGE, flags=re.M | re.S)
[PROGRAM] = re.findall(r'^```python title="train.py"\n(.*?)^```$', PAGE, flags=re.M | re.S)

QUIET = [
    "--trainer.accelerator=cpu",
    "--trainer.max_epochs=1",
    "--trainer.enable_progress_bar=false",
    "--trainer.enable_model_summary=false",
    "--trainer.enable_checkpointing=false",
]


class Model(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(6, 8, 3, stride=2), nn.ReLU())
        self.head = nn.Linear(8, 2)

    def forward(self, images: Tensor) -> Any:
        return self.head(self.body(self.stem(images)).mean((2, 3)))

    def training_step(self, batch: Any) -> Tensor:
        return F.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: Any) -> None:
        self.log("val_loss", F.cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.1)


class Data(LightningDataModule):
    def train_dataloader(self) -> Any:
        images = torch.rand(32, 3, 16, 16, generator=torch.Generator().manual_seed(0))
        return DataLoader(TensorDataset(images, torch.arange(32) % 2), batch_size=16)

    val_dataloader = train_dataloader


def preprocess(picture: Image.Image) -> Tensor:
    return to_tensor(picture.resize((16, 16)))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the program, pictures, and the module that the page takes for granted."""
    module: Any = types.ModuleType("my_project")
    module.Data, module.Model, module.preprocess = Data, Model, preprocess
    monkeypatch.setitem(sys.modules, "my_project", module)
    monkeypatch.chdir(tmp_path)
    for number, path in enumerate(f"data/val/{name}/{index}.png" for name in ("cat", "dog") for index in range(1, 5)):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 24), (30 * number, 100, 0)).save(path)
    (tmp_path / "train.py").write_text(PROGRAM)
    return tmp_path


def run(command: str | list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs `python train.py …` in this process, where messages about what is not drawn are errors."""
    words = shlex.split(command) if isinstance(command, str) else command
    assert words[:2] == ["python", "train.py"]
    monkeypatch.setattr(sys, "argv", words[1:])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", module="lightning_cnnviz")
        runpy.run_path("train.py", run_name="__main__")


def tags(directory: Path) -> set[str]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    [file] = directory.rglob("events.out.tfevents.*")
    accumulator = EventAccumulator(str(file.parent))
    accumulator.Reload()
    return {*image_tags(accumulator), *accumulator.Tags()["scalars"]}


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[20:])
def test_commands(command: str, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    if ".help" in command or "--print_config" in command:
        with pytest.raises(SystemExit) as ended:
            run(command, monkeypatch)
        assert ended.value.code == 0
        told = capsys.readouterr().out
        shown = "show: 8" if "--print_config" in command else "how many of the samples are drawn; numbers use all of"
        assert shown in told
    else:
        run([*shlex.split(command), *QUIET], monkeypatch)
        assert any(tag.startswith(("grad_cam/", "drift/")) for tag in tags(project))


EXPECTED = [
    {"predictions", "grad_cam/body", "filters/stem.0", "drift/features"},
    {"drift/features"},  # the pictures are written to files
    {"predictions", "drift/features"},
    {"predictions", "grad_cam/body", "saliency/gradient"},
]


@pytest.mark.slow
@pytest.mark.parametrize(("configuration", "expected"), list(zip(CONFIGURATIONS, EXPECTED, strict=True)))
def test_configurations(
    configuration: str, expected: set[str], project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    (project / "config.yaml").write_text(configuration)
    run(["python", "train.py", "fit", "--config=config.yaml", *QUIET], monkeypatch)
    found = tags(project)
    assert expected <= found, found
    if "FileSink" in configuration:
        assert {path.name for path in (project / "pictures").glob("feature_maps/*") if "000000" not in path.name} == {
            "body_000001.png",
            "stem_000001.png",
        }
    [saved] = project.rglob("lightning_logs/**/config.yaml")
    for _ in range(2):  # what is printed, and what the run saved, mean the same
        printed = printed_configuration("config.yaml", monkeypatch, capsys)
        (project / "printed.yaml").write_text(printed)
        assert printed_configuration("printed.yaml", monkeypatch, capsys) == printed
        (project / "config.yaml").write_text(saved.read_text())


def printed_configuration(path: str, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit):
        run(["python", "train.py", "fit", f"--config={path}", *QUIET, "--print_config"], monkeypatch)
    printed: str = capsys.readouterr().out
    return printed
