"""The Python code in README and docs runs, block after block, on a small model and data."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningDataModule, Trainer
from torch.utils.data import DataLoader, TensorDataset

import lightning_cnnviz
from examples.mnist import MnistCNN
from lightning_cnnviz.methods.cam import CAM_VARIANTS
from lightning_cnnviz.methods.pixel_methods import PIXEL_METHODS
from lightning_cnnviz.output import registry

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WITH_CODE = [page for page in PAGES if "```python\n" in page.read_text()]


class Digits(LightningDataModule):
    """Noise in ten classes, as large as MNIST."""

    def __init__(self) -> None:
        super().__init__()
        labels = torch.arange(40) % 10
        self.images = torch.rand(40, 1, 28, 28, generator=torch.Generator().manual_seed(0))
        self.dataset = TensorDataset(self.images, labels)

    def train_dataloader(self) -> Any:
        return DataLoader(self.dataset, batch_size=20)

    def val_dataloader(self) -> Any:
        return DataLoader(self.dataset, batch_size=20)


def blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(), flags=re.M | re.S)


def known() -> dict[str, Any]:
    """What the texts around the blocks take for granted."""
    data, model = Digits(), MnistCNN()
    names = {name: getattr(lightning_cnnviz, name) for name in lightning_cnnviz.__all__}
    return {
        **names,
        "Trainer": Trainer,
        "data": data,
        "model": model,
        "model_a": model,
        "model_b": MnistCNN(),
        "val_set": data.dataset,
        "images": data.images[:32],
        "samples": lightning_cnnviz.FixedSamples(data.images[:32]),
        "labels": torch.arange(32) % 10,
        "reference": data.images[:20],
        "current": data.images[20:],
        "boxes": torch.tensor([[4, 4, 20, 20]] * 32),
    }


@contextmanager
def tables_restored() -> Iterator[None]:
    """What the code of a page enters in the tables of methods and sinks is taken out again."""
    tables: list[dict[str, Any]] = [CAM_VARIANTS, PIXEL_METHODS, registry._FACTORIES]  # type: ignore[list-item]
    before = [dict(table) for table in tables]
    try:
        yield
    finally:
        for table, kept in zip(tables, before, strict=True):
            table.clear()
            table.update(kept)


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_code_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace = known()
    with warnings.catch_warnings(), tables_restored():
        warnings.filterwarnings("ignore", module="lightning")
        for block in blocks(page):
            exec(compile(block, str(page), "exec"), namespace)
