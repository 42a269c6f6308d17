"""Small models of all kinds: none ends a run or trains to other bits, and what is said of their answers is so."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_cnnviz import (
    Array,
    Artifact,
    CNNVisualizer,
    Evidence,
    FixedSamples,
    Layout,
    Picture,
    Predictions,
    Request,
    View,
    explain,
)
from lightning_cnnviz.views.captions import captions
from tests.helpers.random_models import made
from tests.helpers.statements import PICTURES, REFUSED, WIDTHS, Statement, statements
from tests.helpers.training import sha, trainer

MODELS, CHUNK = 224, 16


def check(seed: int, directory: Path) -> str:
    """Trains the model of a seed without and with us; what differs, or nothing."""
    ended: dict[str, Any] = {}
    for name, callbacks in (("without", []), ("with", [CNNVisualizer()])):
        model, loader, about = made(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run = trainer(directory / name, callbacks, max_epochs=1, limit_train_batches=2, num_sanity_val_steps=1)
            try:
                run.fit(model, loader(), loader())
                ended[name] = (sha(model), run.global_step)
            except Exception as error:
                ended[name] = f"{type(error).__name__}: {str(error)[:200]}"
    return "" if ended["with"] == ended["without"] else f"seed {seed}: {about}: {ended}"


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, MODELS, CHUNK))
def test_no_model_ends_a_run_or_is_trained_otherwise(first: int, tmp_path: Path) -> None:
    found = [check(seed, tmp_path / str(seed)) for seed in range(first, first + CHUNK)]
    assert not any(found), "\n".join(filter(None, found))


class Listens(View):
    """Keeps what stands beside the samples, and the answers that are drawn."""

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        return Request()

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        self.evidence, self.captions = evidence, captions(evidence)
        yield from ()


def bars_of(picture: Any) -> list[list[tuple[str, str, bool | None]]]:
    """Name, text and mark of each bar, for each sample."""
    charts = picture.figure.charts if hasattr(picture.figure, "charts") else picture.figure.columns[0].charts
    return [[(bar.name, bar.label, bar.correct) for bar in chart] for chart in charts]


def wrong_statements(seed: int) -> list[str]:
    """What is said of the samples of a seed's model and is not so."""
    model, loader, about = made(seed)
    kind, given = about.split(", ")[0], about.split(", ")[-1]
    items = loader().dataset
    labels = None if given in ("none", "dict") else [item[-1] for item in items]
    has_classes = kind not in (*PICTURES, *REFUSED) and given not in ("mask", "too many")
    names = [f"class {index}" for index in range(WIDTHS.get(kind, 3))] if seed % 2 and has_classes else None
    listens = Listens()
    try:
        key = None if labels is None else len(items[0]) - 1
        samples = FixedSamples.from_dataset(items, class_names=names, label_key=key)
        explain(model, samples, [listens])
        refused = ""
    except ValueError as error:
        refused = str(error)
    expected: list[Statement] | str = "was given one batch of images"
    if kind not in REFUSED:
        with torch.no_grad():
            output = model.eval()(torch.stack([item[0] for item in items]))
        if kind == "variational":  # draws other noise every time
            output = (listens.evidence.answers.values,)
        expected = statements(kind, given, output, labels, names)
    if refused or isinstance(expected, str):
        said = isinstance(expected, str) and expected in refused
        return [] if said else [f"seed {seed}: {about}: {refused or listens.captions}, expected {expected}"]
    found = []
    for caption, statement in zip(listens.captions, expected, strict=True):
        lines = tuple(line for line in caption.lines if not line.startswith("maps "))
        if (lines, caption.correct) != (statement.lines, statement.correct):
            found.append(f"seed {seed}: {about}: {caption}, expected {statement}")
        of_no_class = statement.lines[0].startswith(("sample", "predicted"))
        if of_no_class and (len(lines) < len(caption.lines) or listens.evidence.probabilities.shape[1]):
            found.append(f"seed {seed}: {about}: speaks of classes: {caption}")
    answers = [statement.answer for statement in expected if statement.answer is not None]
    if expected[0].bars is None and not answers:
        return found
    array, picture = Predictions().draw(listens.evidence)
    assert isinstance(array, Array)
    assert isinstance(picture, Picture)
    if answers and not torch.allclose(array.values.flatten(), torch.stack(answers).flatten()):
        found.append(f"seed {seed}: {about}: answers {array.values}, expected {answers}")
    if expected[0].bars is not None:
        wanted = [statement.bars for statement in expected]
        if bars_of(picture) != wanted:
            found.append(f"seed {seed}: {about}: {bars_of(picture)}, expected {wanted}")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, MODELS, 4 * CHUNK))
def test_what_is_said_of_every_sample_follows_from_the_kind_of_the_output(first: int) -> None:
    found = [wrong for seed in range(first, min(first + 4 * CHUNK, MODELS)) for wrong in wrong_statements(seed)]
    assert not found, "\n".join(found)
