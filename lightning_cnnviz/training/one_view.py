"""Callbacks for those who want one thing: a :class:`CNNVisualizer` with one view, that view's arguments first."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from lightning_cnnviz.drift import Drift, Flips, Timeline
from lightning_cnnviz.drift.alarms import AlarmAction, AlarmRule
from lightning_cnnviz.drift.references import Reference
from lightning_cnnviz.drift.scope import DEFAULT_SAMPLES, MOST_SAMPLES, MapKind
from lightning_cnnviz.methods.cam import Variant
from lightning_cnnviz.methods.pixel_methods import Drawing, Method
from lightning_cnnviz.methods.synthesis import Optimizer
from lightning_cnnviz.model.layers.layout import LayerSpec
from lightning_cnnviz.render import Scale
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.training.callback import CNNVisualizer
from lightning_cnnviz.training.failures import refusing
from lightning_cnnviz.views import FeatureMaps, Filters, GradCAM, Prototypes, Saliency, View
from lightning_cnnviz.views.saliency import Baseline

C = TypeVar("C", bound=type[CNNVisualizer])


def _documented_as(view: type[View]) -> Callable[[C], C]:
    """Adds what a view says of its arguments, for ``help()`` and for the ``--help`` of a command line."""

    def add_arguments(callback: C) -> C:
        told = {**_arguments(view), **_arguments(CNNVisualizer)}
        own = [told[name] for name in inspect.signature(callback).parameters if name in told]
        if own:
            callback.__doc__ = "\n".join([inspect.getdoc(callback) or "", "", "Args:", *own])
        return callback

    return add_arguments


def _arguments(documented: type) -> dict[str, str]:
    """The entries of the section ``Args`` by the name of the argument."""
    section = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", inspect.getdoc(documented) or "", flags=re.M | re.S)
    entries = re.finditer(r"^ {4}(\w+):.*(?:\n {5,}.*)*", section[1] if section else "", flags=re.M)
    return {entry[1]: entry[0] for entry in entries}


@_documented_as(FeatureMaps)
class FeatureMapCallback(CNNVisualizer):
    """Draws feature maps, see :class:`FeatureMaps`; further arguments as for :class:`CNNVisualizer`."""

    def __init__(
        self,
        layers: LayerSpec = "auto",
        channels: int | Sequence[int] = 8,
        *,
        sample: int | None = None,
        scale: Scale = "each",
        colormap: str = "viridis",
        reshape: Sequence[int] | None = None,
        **options: Any,
    ) -> None:
        with refusing(type(self).__name__):
            view = FeatureMaps(layers, channels, sample=sample, scale=scale, colormap=colormap, reshape=reshape)
        super().__init__([view], **options)


@_documented_as(Filters)
class FilterCallback(CNNVisualizer):
    """Draws the kernels of a convolution, see :class:`Filters`; further arguments as for :class:`CNNVisualizer`."""

    def __init__(
        self,
        layers: LayerSpec = "first",
        *,
        filters: int = 64,
        scale: Scale = "shared",
        colormap: str | None = None,
        **options: Any,
    ) -> None:
        with refusing(type(self).__name__):
            view = Filters(layers, filters=filters, scale=scale, colormap=colormap)
        super().__init__([view], **options)


@_documented_as(Saliency)
class SaliencyCallback(CNNVisualizer):
    """Draws saliency maps, see :class:`Saliency`; further arguments as for :class:`CNNVisualizer`."""

    def __init__(
        self,
        method: Method | str = "gradient",
        reduction: Drawing | None = None,
        *,
        steps: int | None = None,
        noise: float = 0.15,
        baseline: Baseline = "black",
        colormap: str | None = None,
        alpha: float = 0.6,
        scale: Scale = "each",
        **options: Any,
    ) -> None:
        with refusing(type(self).__name__):
            view = Saliency(
                method,
                reduction,
                steps=steps,
                noise=noise,
                baseline=baseline,
                colormap=colormap,
                alpha=alpha,
                scale=scale,
            )
        super().__init__([view], **options)


@_documented_as(GradCAM)
class GradCAMCallback(CNNVisualizer):
    """Draws Grad-CAM, see :class:`GradCAM`; further arguments as for :class:`CNNVisualizer`."""

    def __init__(
        self,
        layers: LayerSpec = "last",
        variant: Variant | str = "gradcam",
        *,
        colormap: str = "jet",
        alpha: float = 0.6,
        scale: Scale = "each",
        reshape: Sequence[int] | None = None,
        **options: Any,
    ) -> None:
        with refusing(type(self).__name__):
            view = GradCAM(layers, variant, colormap=colormap, alpha=alpha, scale=scale, reshape=reshape)
        super().__init__([view], **options)


@_documented_as(Prototypes)
class PrototypeCallback(CNNVisualizer):
    """Generates class prototypes, see :class:`Prototypes`; further arguments as for :class:`CNNVisualizer`."""

    def __init__(
        self,
        classes: Sequence[int] | None = None,
        regularization: float = 0.1,
        *,
        optimizer: Optimizer = "lbfgs",
        steps: int | None = None,
        colormap: str = "gray",
        **options: Any,
    ) -> None:
        with refusing(type(self).__name__):
            view = Prototypes(classes, regularization, optimizer=optimizer, steps=steps, colormap=colormap)
        super().__init__([view], **options)


@_documented_as(Drift)
class DriftCallback(CNNVisualizer):
    """Measures how far the model moves, see :class:`Drift`, and draws :class:`Timeline` and :class:`Flips` of it.

    Unlike the other callbacks it takes 32 samples unless told otherwise, or up to 256 where images are small: the
    numbers of fewer are noisy. Eight of them are drawn. Further arguments as for :class:`CNNVisualizer`.
    """

    def __init__(
        self,
        layers: LayerSpec = "auto",
        reference: Reference = ("previous", "first"),
        *,
        maps: Sequence[MapKind] = ("grad_cam", "saliency"),
        alarm: AlarmRule = "auto",
        on_alarm: AlarmAction | None = None,
        false_alarms: float = 0.01,
        samples: FixedSamples | int | None = None,
        details: bool = False,
        **options: Any,
    ) -> None:
        with refusing(type(self).__name__):
            count = min(len(samples), MOST_SAMPLES) if isinstance(samples, FixedSamples) else samples
            drift = Drift(
                layers,
                reference,
                maps=maps,
                alarm=alarm,
                on_alarm=on_alarm,
                false_alarms=false_alarms,
                samples=count,
                details=details,
            )
            timeline = Timeline(feature_layers=layers)
        taken = DEFAULT_SAMPLES if samples is None else samples
        super().__init__([drift, timeline, Flips()], taken, **options)
