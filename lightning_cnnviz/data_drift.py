"""One model on new data: does it still see what it saw?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from lightning_cnnviz.arguments import instance, layer_names, number
from lightning_cnnviz.comparison.data_report import ClassDrift, DataDrift
from lightning_cnnviz.comparison.two_samples import (
    distance_to,
    holm,
    kolmogorov_smirnov,
    maximum_mean_discrepancy,
    scipy_stats,
)
from lightning_cnnviz.explain import as_samples
from lightning_cnnviz.look import looks_at_all, run_views
from lightning_cnnviz.model.evidence import Request
from lightning_cnnviz.model.layers.layout import LayerSpec, Layout, check_names
from lightning_cnnviz.model.probe import Probe
from lightning_cnnviz.model.targets import Target, check_target, chosen_targets
from lightning_cnnviz.output.artifacts import Picture
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views import GradCAM

_RAREST = 0.0001  # rarer ones need more permutations than anybody waits for
_FEWEST = 20
_MOST = 1000
_ROWS = 8


def data_drift(
    model: nn.Module,
    reference: FixedSamples | Tensor,
    current: FixedSamples | Tensor,
    *,
    false_alarms: float = 0.01,
    layer: LayerSpec = "last",
    target: Target = "predicted",
) -> DataDrift:
    """Whether new data look to a model as those did that it was judged on. No labels are needed.

    Two tests share the rate of false alarms: Kolmogorov-Smirnov tests of each class probability, with Holm's
    correction, which see that answers change; and the maximum mean discrepancy of a layer's features, averaged over
    places, with a permutation test, which sees what the answers do not show. Neither says whether the answers are
    worse, and both call a change of the shares of the classes a drift.

    The reference must not be what the model was trained on: it is surer there than on any new data.

    Args:
        model: takes images (N, C, H, W), returns class scores; left as it was, to the bit.
        reference: at least 20 images of the time when all was well, such as validation data; as the model takes them.
        current: at least 20 new ones. Of more than 1,000 of either the first 1,000 are compared.
        false_alarms: how often, at most, data of the same source raise an alarm; from 0.0001 to 0.5.
        layer: whose features are compared and whose Grad-CAM is drawn; of several the last.
        target: which class score the maps explain.

    Returns:
        ``drifted`` and ``p_value``; ``classes``, also as ``notes["classes"]``; ``furthest``, the new samples furthest
        from the reference, and the picture ``furthest`` of their maps. ``write_report`` makes a file of it.

    Raises:
        ImportError: SciPy is not installed.
        TypeError: an argument is of the wrong kind.
        ValueError: an argument is out of its range, or there are too few samples.
    """
    scipy_stats()
    check_target(target)
    instance("model", model, nn.Module, "a torch.nn.Module")
    number("false_alarms", false_alarms, least=_RAREST, most=0.5)
    layer = layer_names("layer", layer)
    before, now = _checked("reference", reference), _checked("current", current)
    if before.images.shape[1:] != now.images.shape[1:]:
        raise ValueError(
            f"current must be images of {tuple(before.images.shape[1:])} as the reference, "
            f"got {tuple(now.images.shape[1:])}"
        )
    now = now.with_display_from(before)
    check_names(model, layer, "layer")
    probe = Probe(model)
    layout = probe.survey(before)
    name = layout.maps(layer)[-1]
    found = DataDrift(false_alarms=false_alarms, samples=(len(before), len(now)))
    for remark in layout.remarks:
        found.say(remark)
    answers_before, features_before = _seen(probe, layout, before, name)
    answers_now, features_now = _seen(probe, layout, now, name)
    rows = list(_class_rows(answers_before, answers_now, layout, now))
    # The smallest p-value of a permutation test must be well below its half of the false alarms.
    permutations = max(1000, math.ceil(5 / false_alarms))
    distance, features_p = maximum_mean_discrepancy(features_before, features_now, permutations)
    probabilities_p = min((row.p_value for row in rows), default=1.0)
    tests = [features_p, probabilities_p] if rows else [features_p]
    found.p_value = min(holm(tests))
    found.drifted = found.p_value <= false_alarms
    found.classes = tuple(rows)
    found.scalars |= {
        "data_drift/p": found.p_value,
        "data_drift/probabilities_p": probabilities_p,
        "data_drift/features_p": features_p,
        "data_drift/features_distance": distance,
    }
    table = found.table()
    if table is not None:
        found.notes["classes"] = table.markdown()
    far = distance_to(features_before, features_now)
    order = far.sort(descending=True, stable=True).indices[:_ROWS].tolist()
    found.furthest, found.distances = tuple(order), tuple(float(far[index]) for index in order)
    if layout.reading.reason:
        found.say(f"maps are left out: {layout.reading.reason}")
    else:
        _draw(probe, layout, now.chosen(order), found, layer=name, target=chosen_targets(target, order))
    return found


def _checked(name: str, samples: FixedSamples | Tensor) -> FixedSamples:
    samples = as_samples(samples, name)
    if len(samples) < _FEWEST:
        raise ValueError(f"{name} must be at least {_FEWEST} images, got {len(samples)}")
    return samples if len(samples) <= _MOST else samples.chosen(range(_MOST))


def _seen(probe: Probe, layout: Layout, samples: FixedSamples, layer: str) -> tuple[Tensor, Tensor]:
    """What the model says of all samples, (N, answers), and what a layer sees in them on average, (N, K)."""
    answers, features = [], []
    for evidence in looks_at_all(probe, layout, samples, Request(activations=frozenset({layer}))):
        values = evidence.probabilities
        if not values.shape[1] and evidence.answers is not None and evidence.answers.values.ndim == 2:
            values = evidence.answers.values
        answers.append(values)
        features.append(evidence.activation(layer).float().mean(dim=(2, 3)).cpu())
    # What is not finite is compared as 0, which no finite answer is in all classes.
    return torch.cat(answers).nan_to_num(), torch.cat(features).nan_to_num()


def _class_rows(before: Tensor, now: Tensor, layout: Layout, samples: FixedSamples) -> Iterator[ClassDrift]:
    if not before.shape[1]:
        return
    is_of_classes = bool(layout.reading.classes)
    shares = [
        values.argmax(dim=1).bincount(minlength=values.shape[1]) / len(values) if is_of_classes else values.mean(dim=0)
        for values in (before, now)
    ]
    statistics, p_values = kolmogorov_smirnov(before, now)
    for index, (statistic, p_value) in enumerate(zip(statistics, holm(p_values), strict=True)):
        yield ClassDrift(
            samples.class_name(index) if is_of_classes else f"value {index}",
            float(shares[0][index]),
            float(shares[1][index]),
            float(before[:, index].mean()),
            float(now[:, index].mean()),
            statistic,
            p_value,
        )


def _draw(probe: Probe, layout: Layout, samples: FixedSamples, found: DataDrift, *, layer: str, target: Target) -> None:
    _, ((_, artifacts),) = run_views(probe, layout, samples, [GradCAM(layer)], target)
    for artifact in artifacts:
        if isinstance(artifact, Picture):
            found.add(replace(artifact, tag="furthest"))
