"""Views that remember a number, and fail where they are told to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lightning_cnnviz import Evidence, FixedSamples, Request, View
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.output.artifacts import Artifact
from lightning_cnnviz.training.failures import Failures, OnError
from lightning_cnnviz.training.memory import Memory


class Remembers(View):
    """Counts; and fails where it is told to."""

    def __init__(self, state: Any = None, fails_on: int | None = None) -> None:
        super().__init__()
        self.count, self.state, self.fails_on = 0, state, fails_on

    @property
    def remembers_samples(self) -> bool:
        return True

    def state_dict(self) -> dict[str, Any]:
        if isinstance(self.state, Exception):
            raise self.state
        return {"count": self.count, "more": self.state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.count, self.state = state["count"], state["more"]
        if self.count == self.fails_on:
            raise ZeroDivisionError("as told")

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        return Request()

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        return iter(())


class Other(Remembers):
    pass


class Counts(Remembers):
    """Remembers nothing of the samples."""

    @property
    def remembers_samples(self) -> bool:
        return False


def counting(*views: Remembers, on_error: OnError = "warn") -> tuple[Memory, Failures]:
    """The memory of views that began at 0 and have come to 5."""
    failures = Failures("Callback", on_error)
    memory = Memory(views, failures)
    memory.begin()
    for view in views:
        view.count = 5
    return memory, failures
