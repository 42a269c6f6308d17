"""The fixed images on which every epoch is judged: holding, showing, reading and collecting them."""

from __future__ import annotations

from lightning_cnnviz.samples.batches import read_batch, unpack
from lightning_cnnviz.samples.collector import SampleCollector
from lightning_cnnviz.samples.datasets import find_class_names, find_normalization
from lightning_cnnviz.samples.fixed import DEFAULT_COUNT, FixedSamples
from lightning_cnnviz.samples.forms import Form
from lightning_cnnviz.samples.perturbations import Background, Mark, Occlusion, Patch, Perturbation, Recolor
from lightning_cnnviz.samples.source import SampleSource
from lightning_cnnviz.samples.state import same_samples
from lightning_cnnviz.samples.truth import Truth

__all__ = [
    "DEFAULT_COUNT",
    "Background",
    "FixedSamples",
    "Form",
    "Mark",
    "Occlusion",
    "Patch",
    "Perturbation",
    "Recolor",
    "SampleCollector",
    "SampleSource",
    "Truth",
    "find_class_names",
    "find_normalization",
    "read_batch",
    "same_samples",
    "unpack",
]
