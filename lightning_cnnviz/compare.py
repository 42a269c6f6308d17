"""Two models on the same samples, without a Trainer."""

from __future__ import annotations

from torch import Tensor, nn

from lightning_cnnviz.arguments import instance
from lightning_cnnviz.drift.drift import Drift
from lightning_cnnviz.drift.flips import Flips
from lightning_cnnviz.explain import Explanation, as_samples
from lightning_cnnviz.look import run_views
from lightning_cnnviz.model.layers import LayerSpec
from lightning_cnnviz.model.probe import Probe
from lightning_cnnviz.model.targets import Target, check_target
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View


def compare(
    model_a: nn.Module,
    model_b: nn.Module,
    samples: FixedSamples | Tensor,
    *,
    layers: LayerSpec = "auto",
    target: Target = "predicted",
) -> Explanation:
    """How far a second model is from a first one: the numbers of :class:`Drift`, and both maps of each sample.

    The tags are those of a run whose first look was at ``model_a``, for example
    ``drift_layers/features/layer4/first``; health and shortcut signs are those of ``model_b``. Layers are compared by
    name: what only one of the models has is left out. Both models are left as they were, to the bit.

    Args:
        model_a: takes images (N, C, H, W), returns class scores before softmax.
        model_b: as ``model_a``, with the same classes.
        samples: at least 8 images, as both models take them.
        layers: whose activations are compared, see :class:`Drift`.
        target: which class score the maps explain.

    Returns:
        Numbers under ``scalars``; the picture ``flips`` with the samples that changed their class first.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: there are too few samples, or the models have different numbers of classes.

    Example:
        >>> import torch
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> compare(model, model, torch.rand(8, 1, 8, 8)).scalars["drift/features"]
        0.0
    """
    check_target(target)
    samples = as_samples(samples)
    for name, model in (("model_a", model_a), ("model_b", model_b)):
        instance(name, model, nn.Module, "a torch.nn.Module")
    views: list[View] = [Drift(layers, "first", samples=len(samples)), Flips(changed_only=False)]
    explanation = Explanation()
    classes = None
    for model in (model_a, model_b):
        for view in views:
            view.check(model)
        probe = Probe(model)
        layout = probe.survey(samples)
        if classes not in (None, layout.classes):
            raise ValueError(f"model_b must have the {classes} classes of model_a, got {layout.classes}")
        classes = layout.classes
        explanation = Explanation()
        for _, artifacts in run_views(probe, layout, samples, views, target, failed=_raise):
            for artifact in artifacts:
                explanation.add(artifact)
    return explanation


def _raise(view: View, error: Exception) -> None:
    raise error
