"""Looks with the views of drift, one after another, without a Trainer, and what their tests share."""

from __future__ import annotations

import io
from typing import Any

import torch
from torch import Tensor, nn

from lightning_cnnviz import Explanation, FixedSamples, View
from lightning_cnnviz.look import run_views
from lightning_cnnviz.model.probe import Probe
from tests.helpers.training import SmallCNN, stripes

FEATURES = "drift_layers/features/body/previous"
FILTERS = "drift_layers/filters/body.0/previous"


def samples(count: int = 12, **options: Any) -> FixedSamples:
    images, labels = stripes(count).tensors
    return FixedSamples(images, labels, class_names=["top", "middle", "bottom"], **options)


def small_cnn(seed: int = 0) -> SmallCNN:
    torch.manual_seed(seed)
    return SmallCNN()


def look(views: list[View], model: nn.Module, judged: FixedSamples, epoch: int | None = None) -> Explanation:
    probe, found = Probe(model), Explanation()
    _, drawn = run_views(probe, probe.survey(judged), judged, views, "predicted", epoch=epoch)
    for _, artifacts in drawn:
        for artifact in artifacts:
            found.add(artifact)
    return found


def moved(found: Explanation) -> dict[str, float]:
    return {tag: value for tag, value in found.scalars.items() if tag.startswith(("drift/", "drift_layers/"))}


def through_file(state: dict[str, Any]) -> dict[str, Any]:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    loaded: dict[str, Any] = torch.load(buffer, weights_only=True)
    return loaded


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
