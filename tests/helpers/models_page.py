"""``docs/models.md``, made of the tables that the tests go through.

``python -m tests.helpers.models_page`` writes the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from tests.helpers.many_outputs import HUGGINGFACE, OUTPUTS, SEGMENTATION
from tests.helpers.projects import FIVE, PROJECTS, Project
from tests.helpers.shapes_table import SHAPES, Shape

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
_BEGINNING = """\
# What comes of which model

<!-- Made from the tests by `python -m tests.helpers.models_page`. -->

Nothing is configured: `explain(model, samples)` with the default views, `Predictions`, `FeatureMaps`, `Filters`,
`Saliency` and `GradCAM`, which are those of `CNNVisualizer()`, too. Each row is a small model with random weights in
the shape of projects that people train, and `tests/model/test_shapes.py` looks at every one of them. In training,
nothing of this ends a run: `tests/properties/test_models.py` trains 224 random models of such kinds with and without
the callback.

"""

_PROJECTS = """
## Projects in training

Rebuilt with their batches and losses, and trained with the default callback to the bits that they have without it
(`tests/training/test_projects.py`).

"""

_LIBRARIES = """
## Networks of libraries

With random weights, HuggingFace's from small configurations of their classes; the answers must be theirs, and nothing
of them may change (`tests/model/test_many_outputs.py`).

"""


def page() -> str:
    """The whole page."""
    refused = [shape for shape in SHAPES if shape.left_out or shape.refused]
    remarked = [shape for shape in SHAPES if shape.remark]
    right = [shape for shape in SHAPES if shape not in refused and shape not in remarked]
    return "".join(
        [
            _BEGINNING,
            "## Drawn right\n\nAll five views, and beside each sample:\n\n",
            _table(("model", "caption"), ((shape.name, _caption(shape)) for shape in right)),
            "\n## Drawn, with a remark\n\nAll five views.\n\n",
            _table(("model", "caption", "the reader is told"), ((s.name, _caption(s), s.remark) for s in remarked)),
            "\n## Left out, with a true message\n\nThe other views are drawn.\n\n",
            _table(("model", "left out", "because"), ((shape.name, _left_out(shape), shape.why) for shape in refused)),
            _PROJECTS,
            _table(
                ("project", "batch", "`forward` returns", "drawn", "the reader is told"),
                ((p.name, p.batch, p.returns, _drawn(p), p.told) for p in PROJECTS),
            ),
            _LIBRARIES,
            f"- torchvision, segmentation: {_names(SEGMENTATION)}\n",
            f"- HuggingFace: {_names(HUGGINGFACE)}\n",
            "\n## Several outputs\n\nThe same test looks at models that return several tensors. Explained is:\n\n",
            _table(("returned", "the scores are at"), ((kind, f"`{key}`") for kind, (_, key, _) in OUTPUTS.items())),
        ]
    )


def _names(table: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in table)


def _caption(shape: Shape) -> str:
    """Words that stand for something are set apart."""
    return re.sub(r"\b(NAME|CLASS|LABELS|SHARE|NUMBER)\b", lambda word: f"*{word[0].lower()}*", shape.said)


def _left_out(shape: Shape) -> str:
    return "everything" if shape.refused else ", ".join(f"`{name}`" for name in shape.left_out)


def _drawn(project: Project) -> str:
    return "all five" if project.drawn == FIVE else ", ".join(f"`{view}`" for view in project.drawn) or "nothing"


def _table(headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [" | ".join(headings), "|".join(["---"] * len(headings)), *(" | ".join(row) for row in rows)]
    return "".join(f"| {line} |\n" if "---" not in line else f"|{line}|\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
