"""Stores that keep numbers as files in folders cannot hold `drift/x` beside `drift/x/y`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

import lightning_cnnviz
from lightning_cnnviz import CNNVisualizer, Drift, Film, Filters, Predictions, Sink, View
from lightning_cnnviz.output.artifacts import Artifact, Note, Picture, Scalar
from lightning_cnnviz.samples import FixedSamples
from tests.helpers.configurations import public
from tests.helpers.training import CLASSES, fit, image_steps, stripes


class Tags(Sink):
    """Notes the tags by the kind of what is written, and which numbers Lightning logged."""

    takes = (Picture, Scalar, Note)

    def __init__(self) -> None:
        self.seen: set[tuple[type, str]] = set()

    def write(self, artifact: Artifact, step: int) -> None:
        self.seen.add((type(artifact), artifact.tag))


class Logged(Callback):
    def __init__(self) -> None:
        self.names: set[str] = set()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.names.update(trainer.logged_metrics)


def every_view() -> list[View]:
    """All public ones, those with numbers of single layers with all of them."""
    special: dict[str, Any] = {"Drift": lambda: Drift(details=True), "Film": lambda: Film(Filters())}
    return [special.get(name, getattr(lightning_cnnviz, name))() for name in public(View)]


def beginnings(tags: Iterable[str], others: Iterable[str]) -> set[tuple[str, str]]:
    """The tags that are the folders of others."""
    others = set(others)
    return {(tag, other) for tag in tags for other in others if other.startswith(f"{tag}/")}


@pytest.mark.slow
def test_no_tag_of_any_view_begins_another(tmp_path: Path) -> None:
    images, labels = stripes(24).tensors
    samples = FixedSamples(images, labels, class_names=[str(n) for n in range(CLASSES)]).with_patch(torch.ones(1, 2, 2))
    tags, logged = Tags(), Logged()
    callback = CNNVisualizer(every_view(), samples, sinks=[tags], tag_prefix="ours/", on_error="raise")
    fit(tmp_path, [callback, logged], max_epochs=3)
    numbers = {tag for kind, tag in tags.seen if kind is Scalar} | logged.names
    assert len(numbers) > 60, numbers
    assert len({tag for kind, tag in tags.seen if kind is Picture}) > 20
    assert beginnings(numbers, numbers) == set()
    monitored = {name for name in logged.names if name.startswith("ours/")}
    everything = {tag for _, tag in tags.seen} | logged.names
    assert len(monitored) > 15
    assert beginnings(everything, monitored) | beginnings(monitored, everything) == set()


@pytest.mark.parametrize(
    ("make", "told", "tags"),
    [
        pytest.param(
            lambda: [CNNVisualizer([Predictions(), Filters()]), CNNVisualizer([Predictions(), Filters()])],
            "another callback has the tags of CNNVisualizer, which therefore writes to predictions_2, "
            "filters/stem.0_2: give one of them a tag_prefix",
            {"predictions", "predictions_2", "filters/stem.0", "filters/stem.0_2"},
            id="callbacks",
        ),
        pytest.param(
            lambda: [CNNVisualizer([Filters(), Film(Filters())])],
            "two views of CNNVisualizer have the same tags, so Film of Filters writes to filters/stem.0_2: leave one "
            "of them out, or put it into a callback of its own with a tag_prefix",
            {"filters/stem.0", "filters/stem.0_2", "film/filters/stem.0"},
            id="views",
        ),
    ],
)
def test_all_that_is_written_beside_others_is_said_in_one_line(
    make: Callable[[], list[Callback]], told: str, tags: set[str], tmp_path: Path
) -> None:
    with pytest.warns(UserWarning, match="tag_prefix") as caught:
        fit(tmp_path, make())
    assert [str(one.message) for one in caught if "lightning_cnnviz" in one.filename] == [told]
    assert image_steps(tmp_path) == dict.fromkeys(tags, [0, 5, 11])


def test_what_would_be_found() -> None:
    assert beginnings({"a/b", "a"}, {"a/b/c", "a/bc"}) == {("a/b", "a/b/c"), ("a", "a/b/c"), ("a", "a/bc")}
