"""The words that docs/faq.md quotes are those that people meet."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

import lightning_cnnviz
from lightning_cnnviz import CAM, CNNVisualizer, FixedSamples, GradCAM, arguments, explain

ROOT = Path(__file__).parents[2]
PACKAGE = Path(lightning_cnnviz.__file__).parent
QUOTED = [
    quote
    for line in re.findall(r'^(?:### (?=")|Also )(.+)$', (ROOT / "docs/faq.md").read_text(), flags=re.M)
    for quote in re.findall(r'"([^"]+)"', line)
]
IMAGES = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def model() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3))


def test_every_quoted_message_is_in_the_code() -> None:
    texts = [
        node.value
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    # What a message says may begin or end in a value: its own words are looked for.
    missing = [quote for quote in QUOTED if not all(any(part in text for text in texts) for part in quote.split("…"))]
    assert not missing
    assert len(QUOTED) > 20


SAID = (
    "training/* model/* model/*/* output/* methods/* guard/restoring* render/fonts* "
    "samples/source* samples/state* samples/shown* samples/pictures* samples/origin*"
)
"""Where prose is said to users, unless it is a docstring or refuses an argument."""

DRAWN = "views/* drift/*"
"""Rooms whose prose is drawn in pictures, but for what is called a remark."""

PARTS = {
    "training/destinations.py: …: they are written to …",
    "training/memory.py: what the views remember",
    "model/layers/layout.py: if its output … is tokens of an image, say their grid with reshape=(height, width); ",
    "model/layers/names.py: there are none to choose from",
    "model/outputs/recognition.py: return scores before that for maps that do not fade where the model is sure",
    "model/outputs/tensors.py: a tensor of the shape …",
    "model/outputs/recognition.py: a picture of the size of the input",
    "model/outputs/recognition.py: numbers for each place",
    "model/outputs/recognition.py: ; output='regression' reads it as a value",
    "model/outputs/recognition.py: …; a function as target= sees them all",
    "samples/state.py: …: they are kept as bytes, rounded to 1/255 of their range, where a run is resumed",
    "output/sink.py: sinks must hold sinks",
    "methods/pixel_methods.py: gradient of the score",
    "guard/restoring.py: it does not stay as it was",
}
"""What is no message, but stands in the middle or at the end of one."""


IN_A_RUN = r"(RuntimeError|OutOfStepError|DrawingError)\("
"""What is raised for other reasons than an argument."""


def prose(node: ast.AST) -> Iterator[str]:
    """Texts of several words outside of docstrings, and of what only comes up where an argument is refused."""
    if isinstance(node, ast.Raise) and not re.search(IN_A_RUN, ast.unparse(node)):
        return
    if isinstance(node, ast.Assert) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
        return
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and hasattr(arguments, node.func.id):
        return
    text = None
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        text = node.value
    if isinstance(node, ast.JoinedStr):
        text = "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
    if text is None:
        for child in ast.iter_child_nodes(node):
            yield from prose(child)
    elif len([word for word in text.split() if word.isalpha()]) >= 4:
        yield text


def remarks(tree: ast.AST) -> Iterator[ast.AST]:
    """Where a remark is made."""
    for node in ast.walk(tree):
        named = isinstance(node, ast.FunctionDef) and node.name.strip("_").startswith("remark")
        assigned = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "remark"
        if named or assigned or (isinstance(node, ast.Call) and ast.unparse(node.func).endswith("remarks.append")):
            yield node


def notices() -> Iterator[tuple[str, str]]:
    """What the package says while it runs, and where."""
    for rooms, places in ((SAID, lambda tree: [tree]), (DRAWN, remarks)):
        for room in rooms.split():
            for file in sorted(PACKAGE.glob(f"{room}.py")):
                name = file.relative_to(PACKAGE).as_posix()
                for place in places(ast.parse(file.read_text())):
                    yield from ((name, text) for text in prose(place))


def test_every_notice_has_its_entry() -> None:
    """Whoever searches the page for a part of a line of ours finds what it means."""
    quotes = [re.compile(".*".join(map(re.escape, quote.split("…")))) for quote in QUOTED]
    lost = {f"{name}: {text}" for name, text in notices() if not any(quote.search(text) for quote in quotes)}
    assert lost == PARTS, "give it an entry in docs/faq.md, with words of it in quotes"
    assert len(list(notices())) > 80


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
