from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_cnnviz import CNNVisualizer, ModelSummary, explain
from tests.helpers.training import SmallCNN, events, fit


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)  # 4·2·9 + 4 = 76 parameters, 8·8·4·2·9 = 4608 multiply-adds
        self.norm = nn.BatchNorm2d(4)  # 8 parameters
        self.act = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.grouped = nn.Conv2d(4, 4, 3, groups=2, bias=False)  # 72 parameters, 2·2·4·2·9 = 288
        self.head = nn.Linear(16, 3)  # 51 parameters, 48
        self.unused = nn.Linear(2, 2)  # 6 parameters
        self.scale = nn.Parameter(torch.ones(3, 3))  # 9 parameters, and 9 multiply-adds for x @ scale
        self.conv.requires_grad_(False)
        self.head.bias.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        features = self.grouped(self.pool(self.act(self.norm(self.conv(images)))))
        scores: Tensor = self.head(features.flatten(1)) @ self.scale
        return scores


def note(model: nn.Module, images: Tensor) -> list[str]:
    return explain(model, images, [ModelSummary()]).notes["model_summary"].splitlines()


def test_every_number_of_a_small_model() -> None:
    assert note(Net(), torch.randn(3, 2, 8, 8)) == [
        "| layer | type | kernel | output | parameters | multiply-adds | state |",
        "|---|---|---|---|---:|---:|---|",
        "| conv | Conv2d | 4×2×3×3 | 4×8×8 | 76 | 4,608 | frozen |",
        "| norm | BatchNorm2d |  | 4×8×8 | 8 |  | trained |",
        "| pool | MaxPool2d |  | 4×4×4 |  |  |  |",
        "| grouped | Conv2d | 4×2×3×3 | 4×2×2 | 72 | 288 | trained |",
        "| head | Linear | 3×16 | 3 | 51 | 48 | partly frozen |",
        "| elsewhere |  |  |  | 15 | 9 |  |",
        "",
        "- input 2×8×8",
        "- 222 parameters, 143 trained and 79 frozen",
        "- 4,953 multiply-adds",
        "- 2 convolutions",
    ]


def test_one_image_is_enough() -> None:
    assert note(Net(), torch.randn(1, 2, 8, 8))[-2] == "- 4,953 multiply-adds"


def test_what_a_block_multiplies_itself_is_its_own() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Conv2d(1, 1, 1)
            self.kernel = nn.Parameter(torch.ones(1, 1, 3, 3))

        def forward(self, images: Tensor) -> Tensor:
            return F.conv2d(self.inner(images), self.kernel, padding=1)

    model = nn.Sequential(nn.Sequential(Block()), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))
    rows = note(model, torch.randn(2, 1, 4, 4))
    assert "| 0.0.inner | Conv2d | 1×1×1×1 | 1×4×4 | 2 | 16 | trained |" in rows
    assert "| 0.0 | Block |  | 1×4×4 | 9 | 144 | trained |" in rows
    assert not any("elsewhere" in row or row.startswith("| 0 |") for row in rows)


def test_shared_parameters_count_once() -> None:
    first = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    second = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    second.weight = first.weight
    rows = note(nn.Sequential(first, second, nn.Flatten()), torch.randn(2, 1, 3, 3))
    assert rows[2:4] == [
        "| 0 | Conv2d | 1×1×3×3 | 1×3×3 | 9 | 81 | trained |",
        "| 1 | Conv2d | 1×1×3×3 | 1×3×3 |  | 81 |  |",
    ]
    assert "- 9 parameters, 9 trained and 0 frozen" in rows


@pytest.mark.slow
def test_a_known_network() -> None:
    from torchvision.models import resnet18

    assert note(resnet18(weights=None), torch.randn(1, 3, 224, 224))[-3:] == [
        "- 11,689,512 parameters, 11,689,512 trained and 0 frozen",
        "- 1,814,073,344 multiply-adds",  # the 1.8 billion of the paper
        "- 20 convolutions",
    ]


@pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:.*LeafSpec")
def test_is_written_once_in_a_run(tmp_path: Path) -> None:
    fit(tmp_path, [CNNVisualizer([ModelSummary()])], SmallCNN())
    (tag,) = [tag for tag in events(tmp_path).Tags()["tensors"] if tag.startswith("model_summary")]
    (written,) = events(tmp_path).Tensors(tag)
    assert "| stem.0 | Conv2d | 4×1×3×3 | 4×8×8 | 40 | 2,304 | trained |" in written.tensor_proto.string_val[0].decode()
