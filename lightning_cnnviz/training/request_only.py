"""Views on ranks that only help to run the pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lightning_cnnviz.model.evidence import Evidence, Request
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.output.artifacts import Artifact
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View


class RequestOnly(View):
    """A view on a rank that leaves the drawing to rank 0.

    Args:
        view: the same view on this rank.
        state: what it remembers on rank 0.
    """

    def __init__(self, view: View, state: Mapping[str, Any]) -> None:
        super().__init__()
        self._view, self._state = view, state

    @property
    def sees_all_samples(self) -> bool:
        """As of the view on rank 0."""
        return self._view.sees_all_samples

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        """As of the view on rank 0."""
        self._view.load_state_dict(self._state)
        return self._view.request(layout, samples)

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        """Nothing."""
        return iter(())
