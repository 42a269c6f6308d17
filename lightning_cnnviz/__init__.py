"""Watch a CNN learn in TensorBoard: one Lightning callback.

>>> from lightning_cnnviz import CNNVisualizer
>>> callback = CNNVisualizer()  # Trainer(callbacks=[callback])
"""

from lightning_cnnviz.compare import compare
from lightning_cnnviz.drift import Drift, Flips, Timeline
from lightning_cnnviz.explain import Explanation, explain
from lightning_cnnviz.model.evidence import Evidence, Request
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
    FeatureMaps,
    Filters,
    GradCAM,
    GuidedGradCAM,
    ModelSummary,
    Predictions,
    Prototypes,
    Saliency,
    View,
)

__version__ = "0.1.0"

__all__ = [
    "CAM",
    "ActivationMaximization",
    "CNNVisualizer",
    "Drift",
    "DriftCallback",
    "Evidence",
    "Explanation",
    "FeatureMapCallback",
    "FeatureMaps",
    "FilterCallback",
    "Filters",
    "FixedSamples",
    "Flips",
    "GradCAM",
    "GradCAMCallback",
    "GuidedGradCAM",
    "ModelSummary",
    "Predictions",
    "PrototypeCallback",
    "Prototypes",
    "Request",
    "Saliency",
    "SaliencyCallback",
    "Timeline",
    "View",
    "compare",
    "explain",
]
