"""A model looked at on more samples than fit into one pass."""

from __future__ import annotations

from collections.abc import Iterator

from lightning_cnnviz.model.evidence import Evidence, Request
from lightning_cnnviz.model.layers import Layout
from lightning_cnnviz.model.probe import Probe
from lightning_cnnviz.samples import FixedSamples

_BATCH = 64


def looks_at_all(probe: Probe, layout: Layout, samples: FixedSamples, request: Request) -> Iterator[Evidence]:
    """What a pass over each 64 of the samples gives, in their order."""
    for start in range(0, len(samples), _BATCH):
        batch = samples.chosen(range(start, min(start + _BATCH, len(samples))))
        yield probe.run(batch, layout, request)
