"""What the looks cost, stage by stage and view by view, and which views a budget has room for."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from lightning_cnnviz.model.evidence import Model, Request
from lightning_cnnviz.output.artifacts import Scalar

ViewT = TypeVar("ViewT")

_GROUP = "visualizer"  # TensorBoard sorts groups by name: what a look costs comes after what was trained and validated


class Costs:
    """Seconds that looks take of the training.

    Args:
        clock: tells the time in seconds.

    Attributes:
        spent: seconds of all looks since training started.
        shared: seconds of the last look that no view caused by itself: the shared pass and the hand-over.
        stages: seconds of the last look by stage: ``"pass"``, ``"draw"``, ``"write"``.
        views: seconds that each view last took to draw and for procedures of its own.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._started = clock()
        self.spent = 0.0
        self.shared = 0.0
        self.stages: dict[str, float] = {}
        self.views: dict[object, float] = {}

    def start(self) -> None:
        """Training starts."""
        self._started, self.spent = self._clock(), 0.0

    @property
    def overhead(self) -> float:
        """The looks' share of the time since training started, from 0 to 1."""
        return self.spent / max(self._clock() - self._started, 1e-9)

    @contextmanager
    def look(self) -> Iterator[None]:
        """Measures one look."""
        self.stages = {}
        before, began = dict(self.views), self._clock()
        self.views = {}
        try:
            yield
        finally:
            seconds, caused = self._clock() - began, sum(self.views.values())
            self.spent += seconds
            self.shared = seconds - caused
            self.views = {**before, **self.views}

    @contextmanager
    def stage(self, name: str, view: object = None) -> Iterator[None]:
        """Measures a stage of a look, and puts it down to a view if one causes it."""
        began = self._clock()
        try:
            yield
        finally:
            seconds = self._clock() - began
            self.stages[name] = self.stages.get(name, 0.0) + seconds
            if view is not None:
                self._charge(view, seconds)

    def timed(self, view: object, request: Request) -> Request:
        """The same request, whose procedures are put down to the view."""
        procedures = {key: self._timed(view, procedure) for key, procedure in request.procedures.items()}
        return dataclasses.replace(request, procedures=procedures)

    def affordable(self, views: Sequence[ViewT], share: float) -> list[ViewT]:
        """Those of the views, the most important first, that the next look can draw within a share of the time.

        What a view takes is taken from its last look, so a view that was never drawn counts as free.
        """
        left = share * (self._clock() - self._started) - self.spent - self.shared
        kept = []
        for view in views:
            left -= self.views.get(view, 0.0)
            if left < 0:
                break
            kept.append(view)
        return kept

    def scalars(self) -> list[Scalar]:
        """Numbers of the last look: its seconds in all and by stage, and the share of all looks so far."""
        by_stage = [Scalar(f"{_GROUP}/seconds_{name}", seconds) for name, seconds in sorted(self.stages.items())]
        total = Scalar(f"{_GROUP}/seconds", sum(self.stages.values()))
        return [total, Scalar(f"{_GROUP}/overhead", self.overhead), *by_stage]

    def _timed(self, view: object, procedure: Callable[[Model], Any]) -> Callable[[Model], Any]:
        def run(model: Model) -> Any:
            began = self._clock()
            try:
                return procedure(model)
            finally:
                self._charge(view, self._clock() - began)

        return run

    def _charge(self, view: object, seconds: float) -> None:
        self.views[view] = self.views.get(view, 0.0) + seconds
