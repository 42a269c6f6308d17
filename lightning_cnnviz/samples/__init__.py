"""The fixed images on which every epoch is judged: holding, showing, reading and collecting them."""

from __future__ import annotations

from lightning_cnnviz.samples.batches import unpack
from lightning_cnnviz.samples.collector import SampleCollector
from lightning_cnnviz.samples.datasets import find_class_names, find_normalization
from lightning_cnnviz.samples.fixed import DEFAULT_COUNT, FixedSamples
from lightning_cnnviz.samples.source import SampleSource, same_samples

__all__ = [
    "DEFAULT_COUNT",
    "FixedSamples",
    "SampleCollector",
    "SampleSource",
    "find_class_names",
    "find_normalization",
    "same_samples",
    "unpack",
]
