"""The words that docs/faq.md quotes are those that people meet."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

import lightning_cnnviz
from lightning_cnnviz import CAM, CNNVisualizer, FixedSamples, GradCAM, explain

ROOT = Path(__file__).parents[2]
QUOTED = re.findall(r'^### "(.+)"$', (ROOT / "docs/faq.md").read_text(), flags=re.M)
IMAGES = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def model() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3))


def test_every_quoted_message_is_in_the_code() -> None:
    package = Path(lightning_cnnviz.__file__).parent
    trees = [ast.parse(file.read_text()) for file in package.rglob("*.py")]
    texts = [
        node.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    # What a message says may begin or end in a value: its own words are looked for.
    missing = [quote for quote in QUOTED if not all(any(part in text for text in texts) for part in quote.split("…"))]
    assert not missing
    assert len(QUOTED) > 20


PROGRAMS: dict[str, Callable[[], object]] = {
    "the model has no such layer": lambda: explain(model(), IMAGES, [GradCAM("conv1")]),
    "needs a model with a two-dimensional convolution": lambda: explain(
        nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), IMAGES, [GradCAM()]
    ),
    "CAM needs a model whose class scores are averages": lambda: explain(model(), IMAGES, [CAM()]),
    "needs labelled samples": lambda: explain(model(), IMAGES, target="label"),
    "finds no images": lambda: FixedSamples.from_dataset([{"pixels": IMAGES[0]}], image_key="image"),
    "images must be floating point": lambda: FixedSamples((IMAGES * 255).byte()),
    "is a transform missing?": lambda: FixedSamples.from_dataset([(Image.new("L", (8, 8)), 0)]),
    "must be how many to take, or FixedSamples": lambda: CNNVisualizer(samples=IMAGES),  # type: ignore[arg-type]
    "target has … classes for … samples": lambda: explain(model(), IMAGES, target=[0, 1]),
    "target asks for classes": lambda: explain(model(), IMAGES, target=7),
    "finds no tensor in the model's output": lambda: explain(model(), IMAGES, output_key="logits"),
    "was given one batch of images": lambda: explain(model(), IMAGES.expand(-1, 3, -1, -1)),
}


@pytest.mark.parametrize("quote", PROGRAMS)
def test_it_is_said_where_the_entry_says(quote: str) -> None:
    assert quote in QUOTED
    with pytest.raises(Exception, match=re.escape(quote).replace("…", ".*")):
        PROGRAMS[quote]()
