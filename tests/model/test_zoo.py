from __future__ import annotations

import re
from pathlib import Path

import pytest
from torch import nn
from torchvision import models

from tests.helpers.many_outputs import HUGGINGFACE, SEGMENTATION

DOCS = Path(__file__).parents[2] / "docs"
TRANSFORMERS = ("vit_", "swin_")


def rows(library: str) -> dict[str, list[str]]:
    """The lines of a library's table on the page: name to the other cells."""
    section = (DOCS / "zoo.md").read_text(encoding="utf-8").partition(f"## {library}: ")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"^\| .*$", section, re.M)]
    return {name: rest for name, *rest in cells[1:]}


def test_every_network_of_torchvision_is_on_the_page_and_works() -> None:
    page = rows("torchvision")
    assert sorted(page) == models.list_models(module=models)
    for name, (_, _, _, feature_maps, filters, saliency, guided, grad_cam, cam, same) in page.items():
        marks = feature_maps, filters, saliency, guided, grad_cam
        assert all(mark.startswith("✓") for mark in marks), name
        assert same == "✓", name
        assert cam[0] in "✓–", name


@pytest.mark.parametrize("library", ["torchvision, segmentation", "HuggingFace"])
def test_every_network_with_other_outputs_is_on_the_page_and_works(library: str) -> None:
    page = rows(library)
    if library == "HuggingFace":
        assert sorted(page) == sorted(f"{name}For{task}" for name, (task, _, _) in HUGGINGFACE.items())
    else:
        assert sorted(page) == models.list_models(module=models.segmentation) == sorted(SEGMENTATION)
    for name, cells in page.items():
        assert all(mark.startswith("✓") for mark in cells[3:8]), name
        assert cells[-1] == "✓", name


def test_a_hundred_networks_of_timm_are_on_the_page_and_unchanged() -> None:
    page = rows("timm")
    working = [name for name, cells in page.items() if all(mark.startswith("✓") for mark in cells[3:8])]
    assert len(working) >= 100
    assert all(cells[-1] == "✓" for cells in page.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "layer", "has_cam"),
    [
        ("squeezenet1_1", "classifier.2", True),
        ("mobilenet_v3_small", "features", False),
        ("shufflenet_v2_x0_5", "conv5", True),
        ("googlenet", "inception5b", True),
        ("swin_t", "permute", True),
    ],
)
def test_a_network_is_looked_at_and_left_alone(name: str, layer: str, has_cam: bool) -> None:
    from docs import zoo, zoo_networks  # imports timm

    row = zoo.look(name, dict(zoo_networks.torchvision_networks())[name]())
    assert row.layer == layer
    assert row.maps > (1, 1)
    assert list(row.refused) == ([] if has_cam else ["CAM"])
    assert row.changed == []


@pytest.mark.slow
def test_what_a_network_refuses_and_what_changes_is_noted() -> None:
    from docs import zoo

    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 2)

        def forward(self, images: object) -> object:
            raise RuntimeError("not today")

    model = Counting()
    row = zoo.look("counting", model)
    assert "it takes no images of the sizes" in row.refused[""]
    before = zoo.fingerprint(model)
    nn.init.zeros_(model.linear.bias)
    assert [part for part, value in zoo.fingerprint(model).items() if value != before[part]] == ["weights and buffers"]
    line, notes = zoo.table([row])
    assert line.splitlines()[-1].count("– 1") == 6
    assert notes.startswith("1. ValueError: it takes no images")
