from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader

from lightning_cnnviz.__main__ import main
from tests.helpers.training import stripes


class Rows(LightningModule):
    """Tells the bright row of `stripes`, from images that its own hook brings back to their size."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = factor
        self.net = nn.Sequential(
            nn.Conv2d(1, 1, 1), nn.ReLU(), nn.AdaptiveAvgPool2d((8, 1)), nn.Flatten(), nn.Linear(8, 3)
        )
        with torch.no_grad():
            self.net[0].weight.fill_(1)
            self.net[0].bias.fill_(0)
            self.net[4].weight.zero_()
            self.net[4].bias.zero_()
            for label in range(3):
                self.net[4].weight[label, 2 * label + 1] = 20

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.net(images)
        return scores

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return batch[0] * self.factor, batch[1]


class Stripes(LightningDataModule):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def setup(self, stage: str) -> None:
        self.stage = stage

    def val_dataloader(self) -> Any:
        assert self.stage == "validate"
        images, labels = stripes(self.count).tensors
        # As bytes would be handed over; the model's hook divides them again.
        return [DataLoader(list(zip(images * 10, labels, strict=True)), 5), None]

    def test_dataloader(self) -> Any:
        assert self.stage == "test"
        return DataLoader(stripes(9), 5)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A configuration and two checkpoints: all of 30 right, and one class for everything."""
    config = {
        "seed_everything": 1,
        "trainer": {"max_epochs": 3},
        "model": {"class_path": "tests.test_main.Rows", "init_args": {"factor": 0.1}},
        "data": {"class_path": "tests.test_main.Stripes", "init_args": {"count": 30}},
    }
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    model = Rows()
    torch.save({"state_dict": model.state_dict()}, tmp_path / "good.ckpt")
    with torch.no_grad():
        model.net[4].bias[0] += 100
    torch.save({"state_dict": model.state_dict()}, tmp_path / "bad.ckpt")
    return {name: tmp_path / name for name in ("config.yaml", "good.ckpt", "bad.ckpt", "out.json", "out.html")}


def run(files: dict[str, Path], a: str, b: str, *options: str) -> int:
    return main(["compare", str(files[a]), str(files[b]), "--config", str(files["config.yaml"]), *options])


def test_a_gate_lets_the_same_model_through_and_stops_a_worse_one(files, capsys):
    limits = ("--max-negative-flips", "0.02", "--max-accuracy-drop", "0.7")
    assert run(files, "good.ckpt", "good.ckpt", *limits) == 0
    assert run(files, "good.ckpt", "bad.ckpt", *limits) == 1  # 20 of 30 lost; accuracy falls by less than 0.7
    said = capsys.readouterr()
    assert said.err == "negative flips 66.67% is more than 2.00%\n"
    assert "accuracy 100.00% → 33.33% of 30 samples\n" in said.out
    assert run(files, "bad.ckpt", "good.ckpt", *limits) == 0  # what is won does no harm
    assert run(files, "good.ckpt", "bad.ckpt") == 0  # without a limit nothing is too bad


def test_what_is_allowed_is_allowed_exactly(files):
    share = str(20 / 30)
    assert run(files, "good.ckpt", "bad.ckpt", "--max-negative-flips", share) == 0
    assert run(files, "good.ckpt", "bad.ckpt", "--max-negative-flips", "0.66") == 1


def test_reports_bear_the_names_of_the_files(files):
    run(files, "good.ckpt", "bad.ckpt", "--json", str(files["out.json"]), "--html", str(files["out.html"]))
    data = json.loads(files["out.json"].read_text())
    assert (data["model_a"], data["model_b"], data["samples"]) == ("good", "bad", 30)
    assert data["quality"]["negative_flips"] == pytest.approx(20 / 30)
    assert "<h1>good → bad</h1>" in files["out.html"].read_text()


def test_another_split_and_fewer_samples(files, capsys):
    assert run(files, "good.ckpt", "good.ckpt", "--split", "test") == 0
    assert run(files, "good.ckpt", "good.ckpt", "--samples", "12") == 0
    assert [line.split(" of ")[1] for line in capsys.readouterr().out.splitlines() if line.startswith("accuracy")] == [
        "9 samples",
        "12 samples",
    ]


def test_a_configuration_below_the_name_of_a_subcommand(files):
    content = json.loads(files["config.yaml"].read_text())
    files["config.yaml"].write_text(json.dumps({"fit": content}))
    assert run(files, "good.ckpt", "good.ckpt") == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-negative-flips", "2"], "must be a share from 0 to 1, got 2"),
        (["--samples", "7"], "at least 8"),
        (["--samples", "0"], "samples must be at least 1, got 0"),
        (["--json", "out.txt"], "must end in .json, got out.txt"),
        (["--html", "out.json"], "must end in .html, got out.json"),
    ],
)
def test_wrong_options_exit_with_two(files, capsys, options, message):
    with pytest.raises(SystemExit) as caught:
        run(files, "good.ckpt", "bad.ckpt", *options)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1, 2]", "must hold model and data, got list"),
        ("{model: {factor: 1}}", "model must have a class_path"),
        ("{model: {class_path: tests.test_main.Nothing}}", "model cannot be made"),
        ("{model: {class_path: tests.test_main.Rows, init_args: {typo: 1}}}", "typo"),
        ("{model: {class_path: tests.test_main.Rows}}", "val_dataloader"),
        ("{:", "cannot be read"),
    ],
)
def test_wrong_configurations_exit_with_two(files, capsys, content, message):
    files["config.yaml"].write_text(content)
    with pytest.raises(SystemExit) as caught:
        run(files, "good.ckpt", "bad.ckpt")
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_what_the_users_code_raises_is_no_verdict(files, capsys, monkeypatch):
    def fail(self: Any) -> Any:
        raise ZeroDivisionError("of the user")

    monkeypatch.setattr(Stripes, "val_dataloader", fail)
    with pytest.raises(SystemExit) as caught:
        run(files, "good.ckpt", "good.ckpt")
    assert caught.value.code == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_missing_checkpoint_exits_with_two(files, capsys):
    files["bad.ckpt"].unlink()
    with pytest.raises(SystemExit) as caught:
        run(files, "good.ckpt", "bad.ckpt", "--max-negative-flips", "0")
    assert caught.value.code == 2
    assert "bad.ckpt' cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--json", "--html"])
def test_a_report_that_cannot_be_written_is_no_verdict(files, capsys, option):
    below_a_file = files["good.ckpt"] / f"out.{option[2:]}"
    with pytest.raises(SystemExit) as caught:
        run(files, "good.ckpt", "good.ckpt", "--max-negative-flips", "0", option, str(below_a_file))
    assert caught.value.code == 2
    said = capsys.readouterr()
    assert "the report is not written" in said.err
    assert "accuracy 100.00%" in said.out
