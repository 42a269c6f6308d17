"""Watch a CNN learn in TensorBoard: one Lightning callback.

>>> from lightning_cnnviz import CNNVisualizer
>>> callback = CNNVisualizer()  # Trainer(callbacks=[callback])
"""

from lightning_cnnviz.callbacks import CNNVisualizer
from lightning_cnnviz.evidence import Evidence, Request
from lightning_cnnviz.explain import Explanation, explain
from lightning_cnnviz.one_view import (
    FeatureMapCallback,
    FilterCallback,
    GradCAMCallback,
    PrototypeCallback,
    SaliencyCallback,
)
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views import FeatureMaps, Filters, GradCAM, Predictions, Prototypes, Saliency, View

__version__ = "0.1.0"

__all__ = [
    "CNNVisualizer",
    "Evidence",
    "Explanation",
    "FeatureMapCallback",
    "FeatureMaps",
    "FilterCallback",
    "Filters",
    "FixedSamples",
    "GradCAM",
    "GradCAMCallback",
    "Predictions",
    "PrototypeCallback",
    "Prototypes",
    "Request",
    "Saliency",
    "SaliencyCallback",
    "View",
    "explain",
]
