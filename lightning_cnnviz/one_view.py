"""Callbacks for those who want one thing: a :class:`CNNVisualizer` with one view, that view's arguments first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lightning_cnnviz.callbacks import CNNVisualizer
from lightning_cnnviz.layers import LayerSpec
from lightning_cnnviz.methods.cam import Variant
from lightning_cnnviz.methods.gradients import Reduction
from lightning_cnnviz.methods.synthesis import Optimizer
from lightning_cnnviz.views import FeatureMaps, Filters, GradCAM, Prototypes, Saliency
from lightning_cnnviz.views.saliency import Method


class FeatureMapCallback(CNNVisualizer):
    """Draws feature maps, see :class:`FeatureMaps`; further arguments as for :class:`CNNVisualizer`."""

    def __init__(self, layers: LayerSpec = "auto", channels: int | Sequence[int] = 8, **options: Any) -> None:
        super().__init__([FeatureMaps(layers, channels)], **options)


class FilterCallback(CNNVisualizer):
    """Draws the kernels of a convolution, see :class:`Filters`; further arguments as for :class:`CNNVisualizer`."""

    def __init__(self, layers: LayerSpec = "first", **options: Any) -> None:
        super().__init__([Filters(layers)], **options)


class SaliencyCallback(CNNVisualizer):
    """Draws saliency maps, see :class:`Saliency`; further arguments as for :class:`CNNVisualizer`."""

    def __init__(self, method: Method = "gradient", reduction: Reduction = "squared", **options: Any) -> None:
        super().__init__([Saliency(method, reduction)], **options)


class GradCAMCallback(CNNVisualizer):
    """Draws Grad-CAM, see :class:`GradCAM`; further arguments as for :class:`CNNVisualizer`."""

    def __init__(self, layers: LayerSpec = "last", variant: Variant = "gradcam", **options: Any) -> None:
        super().__init__([GradCAM(layers, variant)], **options)


class PrototypeCallback(CNNVisualizer):
    """Generates class prototypes, see :class:`Prototypes`; further arguments as for :class:`CNNVisualizer`."""

    def __init__(
        self,
        classes: Sequence[int] | None = None,
        regularization: float = 0.1,
        *,
        optimizer: Optimizer = "lbfgs",
        steps: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__([Prototypes(classes, regularization, optimizer=optimizer, steps=steps)], **options)
