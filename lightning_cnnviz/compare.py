"""Two models on the same samples, without a Trainer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lightning_cnnviz.comparison.most_changed import MostChanged, most_changed
from lightning_cnnviz.comparison.quality import quality
from lightning_cnnviz.comparison.report import Comparison
from lightning_cnnviz.drift.drift import Drift
from lightning_cnnviz.drift.scope import MOST_SAMPLES
from lightning_cnnviz.explain import as_samples
from lightning_cnnviz.look import check_classes, check_labels, look_at, looks_at_all, run_views
from lightning_cnnviz.model.checkpoints import with_weights
from lightning_cnnviz.model.evidence import Request
from lightning_cnnviz.model.isolation import isolated
from lightning_cnnviz.model.layers.layout import LayerSpec, Layout
from lightning_cnnviz.model.probe import Probe
from lightning_cnnviz.model.targets import Target, check_target, chosen_targets
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View

_ROWS = 8


def compare(
    model_a: nn.Module | str | os.PathLike[str],
    model_b: nn.Module | str | os.PathLike[str],
    samples: FixedSamples | Tensor,
    *,
    layers: LayerSpec = "auto",
    target: Target = "predicted",
) -> Comparison:
    """What became better, what worse, and how far a second model is from a first one.

    Of labelled samples: the accuracy of both, what was lost and won (negative and positive flips, with McNemar's exact
    test), the calibration of both, and a table by class. Of all samples: the numbers of :class:`Drift`, and both maps
    of those that changed most, first of all of those that were right and are wrong now. Drift is that of 256 samples,
    in turn from each class, if there are more; all else is of all samples.

    The tags are those of a run whose first look was at ``model_a``, for example
    ``drift_layers/features/layer4/first``; health and shortcut signs are those of ``model_b``. Layers are compared by
    name: what only one of the models has is left out. Both models are left as they were, to the bit.

    Args:
        model_a: takes images (N, C, H, W), returns class scores before softmax; or a checkpoint file with the weights
            of ``model_b``, of Lightning or a saved ``state_dict``.
        model_b: as ``model_a``, with the same classes; or a checkpoint file of ``model_a``.
        samples: at least 8 images, as both models take them.
        layers: whose activations are compared, see :class:`Drift`.
        target: which class score the maps explain.

    Returns:
        Numbers under ``scalars``, those of labelled samples as ``quality/<name>``, see
        :class:`~lightning_cnnviz.comparison.quality.Quality`; the table under ``notes["classes"]``; the picture
        ``flips`` with the samples that changed most. ``write_report`` makes a file of it.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: there are too few samples, the models have different numbers of classes, or a checkpoint does not
            fit.

    Example:
        >>> import torch
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> found = compare(model, model, FixedSamples(torch.rand(8, 1, 8, 8), torch.zeros(8, dtype=torch.long)))
        >>> found.scalars["drift/features"], found.quality.negative_flips
        (0.0, 0.0)
    """
    check_target(target)
    samples = as_samples(samples)
    given = (model_a, model_b)
    kinds = [isinstance(model, nn.Module) for model in given if isinstance(model, nn.Module | str | os.PathLike)]
    if len(kinds) < len(given) or not any(kinds):
        got = " and ".join(type(model).__name__ for model in given)
        raise TypeError(f"model_a and model_b must be modules, or one of them a module and one a file, got {got}")
    found = Comparison(names=_names(model_a, model_b), samples=len(samples))
    with ExitStack() as stack:
        probes = [Probe(model) for model in _models(model_a, model_b, stack)]
        layouts = [probe.survey(samples) for probe in probes]
        if layouts[0].classes != layouts[1].classes:
            raise ValueError(f"model_b must have the {layouts[0].classes} classes of model_a, got {layouts[1].classes}")
        check_labels(layouts[0], samples)
        check_classes(layouts[0], samples, target)
        both = list(zip(probes, layouts, strict=True))
        shares = _spread(samples.labels, len(samples))
        few = samples if len(shares) == len(samples) else samples.chosen(shares)
        _look(both, few, [Drift(layers, "first", alarm=None, samples=len(few))], chosen_targets(target, shares), found)
        if not layouts[0].classes or layouts[0].reading.meaning != layouts[1].reading.meaning:
            found.say("what changed most is left out: the models do not both tell classes apart")
            return found
        before, now = (_probabilities(probe, layout, samples) for probe, layout in both)
        is_of_classes = layouts[0].reading.meaning == "classes"
        if samples.labels is not None and is_of_classes:
            found.take(quality(before, now, samples.labels, samples.class_name))
        else:
            found.say("accuracy, flips to wrong and calibration need samples with one true class each")
        order = most_changed(before, now, samples.labels if is_of_classes else None, _ROWS)
        flips = int((before.argmax(dim=1) != now.argmax(dim=1)).sum())
        title = f"{flips} of {len(samples)} samples changed their class"
        _look(both, samples.chosen(order), [MostChanged(order, title)], chosen_targets(target, order), found)
    return found


def _models(
    model_a: nn.Module | str | os.PathLike[str], model_b: nn.Module | str | os.PathLike[str], stack: ExitStack
) -> list[nn.Module]:
    """Both models; of a checkpoint a copy of the other one with its weights."""
    given = (model_a, model_b)
    modules = [model for model in given if isinstance(model, nn.Module)]
    if len(modules) == 1:
        stack.enter_context(isolated(modules[0]))  # closures and patched methods of the copy write to the original
    found = []
    for name, model in zip(("model_a", "model_b"), given, strict=True):
        try:
            found.append(model if isinstance(model, nn.Module) else with_weights(modules[0], model))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return found


def _names(*models: Any) -> tuple[str, str]:
    a, b = (type(model).__name__ if isinstance(model, nn.Module) else Path(model).stem for model in models)
    return (a, b) if a != b else (f"{a} before", f"{a} now")


def _spread(labels: Tensor | None, count: int) -> list[int]:
    """At most 256 samples: the first of every class, the second of every class, and so on."""
    if labels is None or count <= MOST_SAMPLES:
        return list(range(min(count, MOST_SAMPLES)))
    seen: dict[int, int] = {}
    places = []
    for index, label in enumerate(labels.tolist()):
        places.append((seen.get(label, 0), label, index))
        seen[label] = seen.get(label, 0) + 1
    return sorted(index for _, _, index in sorted(places)[:MOST_SAMPLES])


def _look(
    both: Sequence[tuple[Probe, Layout]],
    samples: FixedSamples,
    views: Sequence[View],
    target: Target,
    found: Comparison,
) -> None:
    """Shows the views one model after the other, and takes what they drew of the second."""
    for number, (probe, layout) in enumerate(both):
        for view in views:
            view.check(probe.model)
        evidence, drawn = run_views(probe, layout, samples, views, target)
        shown = [(view, artifact) for view, artifacts in drawn if number for artifact in artifacts]
        for _, artifact in shown:
            found.add(artifact)
        # The page shows the samples of the last views, which are those that changed most.
        found.looks[f"{'ab'[number]}: {found.names[number]}"] = look_at(evidence, shown)


def _probabilities(probe: Probe, layout: Layout, samples: FixedSamples) -> Tensor:
    """(N, classes) what a model says of all samples, a batch at a time."""
    return torch.cat([evidence.probabilities for evidence in looks_at_all(probe, layout, samples, Request())])
