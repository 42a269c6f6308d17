"""A view that keeps what it is shown of the validation set."""

from __future__ import annotations

from collections.abc import Iterator

from lightning_cnnviz import Request, View
from lightning_cnnviz.model.evidence import Evidence
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.model.overheard import Answered
from lightning_cnnviz.output.artifacts import Artifact
from lightning_cnnviz.samples import FixedSamples


class Watch(View):
    """Keeps what it is shown, validation by validation."""

    def __init__(self, *, every_n_epochs: int = 1) -> None:
        super().__init__(every_n_epochs=every_n_epochs)
        self.seen: list[list[Answered]] = []

    @property
    def watches_validation(self) -> bool:
        return True

    def begin_validation(self) -> None:
        self.seen.append([])

    def observe_validation(self, answered: Answered) -> None:
        self.seen[-1].append(answered)

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        return Request()

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        return iter(())
