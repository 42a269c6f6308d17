"""Watch a CNN learn in TensorBoard: one Lightning callback.

>>> from lightning_cnnviz import CNNVisualizer
>>> callback = CNNVisualizer()  # Trainer(callbacks=[callback])
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightning_cnnviz.compare import compare
    from lightning_cnnviz.data_drift import data_drift
    from lightning_cnnviz.drift import Drift, Flips, Timeline
    from lightning_cnnviz.explain import Explanation, explain
    from lightning_cnnviz.model.evidence import Evidence, Request
    from lightning_cnnviz.model.layers.layout import Layout
    from lightning_cnnviz.output.artifacts import Array, Artifact, Note, Picture, Scalar
    from lightning_cnnviz.output.files import FileSink
    from lightning_cnnviz.output.registry import register_sink
    from lightning_cnnviz.output.sink import Sink
    from lightning_cnnviz.samples import FixedSamples
    from lightning_cnnviz.training.callback import CNNVisualizer
    from lightning_cnnviz.training.one_view import (
        DriftCallback,
        FeatureMapCallback,
        FilterCallback,
        GradCAMCallback,
        PrototypeCallback,
        SaliencyCallback,
    )
    from lightning_cnnviz.views import (
        CAM,
        ActivationMaximization,
        Change,
        ConfusionMatrix,
        Contrast,
        FeatureMaps,
        Film,
        Filters,
        GradCAM,
        GuidedGradCAM,
        ModelSummary,
        Predictions,
        Prototypes,
        Saliency,
        SampleCards,
        TopPatches,
        View,
        WorstMistakes,
    )
    from lightning_cnnviz.views.common import overlay_sheet

__version__ = "0.2.0"

__all__ = [
    "CAM",
    "ActivationMaximization",
    "Array",
    "Artifact",
    "CNNVisualizer",
    "Change",
    "ConfusionMatrix",
    "Contrast",
    "Drift",
    "DriftCallback",
    "Evidence",
    "Explanation",
    "FeatureMapCallback",
    "FeatureMaps",
    "FileSink",
    "Film",
    "FilterCallback",
    "Filters",
    "FixedSamples",
    "Flips",
    "GradCAM",
    "GradCAMCallback",
    "GuidedGradCAM",
    "Layout",
    "ModelSummary",
    "Note",
    "Picture",
    "Predictions",
    "PrototypeCallback",
    "Prototypes",
    "Request",
    "Saliency",
    "SaliencyCallback",
    "SampleCards",
    "Scalar",
    "Sink",
    "Timeline",
    "TopPatches",
    "View",
    "WorstMistakes",
    "compare",
    "data_drift",
    "explain",
    "overlay_sheet",
    "register_sink",
]

_NAMES = {
    ".compare": ("compare",),
    ".data_drift": ("data_drift",),
    ".drift": ("Drift", "Flips", "Timeline"),
    ".explain": ("Explanation", "explain"),
    ".model.evidence": ("Evidence", "Request"),
    ".output.artifacts": ("Array", "Artifact", "Note", "Picture", "Scalar"),
    ".output.files": ("FileSink",),
    ".output.registry": ("register_sink",),
    ".output.sink": ("Sink",),
    ".model.layers.layout": ("Layout",),
    ".samples": ("FixedSamples",),
    ".training.callback": ("CNNVisualizer",),
    ".training.one_view": (
        "DriftCallback",
        "FeatureMapCallback",
        "FilterCallback",
        "GradCAMCallback",
        "PrototypeCallback",
        "SaliencyCallback",
    ),
    ".views": (
        "CAM",
        "ActivationMaximization",
        "Change",
        "ConfusionMatrix",
        "Contrast",
        "FeatureMaps",
        "Film",
        "Filters",
        "GradCAM",
        "GuidedGradCAM",
        "ModelSummary",
        "Predictions",
        "Prototypes",
        "Saliency",
        "SampleCards",
        "TopPatches",
        "View",
        "WorstMistakes",
    ),
    ".views.common": ("overlay_sheet",),
}
"""Where the public names are, by module; a name is imported when it is first used (PEP 562).

Importing a module of this package, such as the one that TensorBoard loads at its start, must not load torch.
"""

_MODULES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Keeps the functions `explain` and `compare` where Python would put the modules of the same names."""

    def __setattr__(self, name: str, value: object) -> None:
        is_namesake = isinstance(value, ModuleType) and name in _MODULES
        super().__setattr__(name, getattr(value, name) if is_namesake else value)


sys.modules[__name__].__class__ = _Package
