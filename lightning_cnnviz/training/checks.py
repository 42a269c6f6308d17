"""Bad input, found before training: each check raises one error that says what came and what is allowed."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from lightning_cnnviz.model.layers import ArgumentError, Layout
from lightning_cnnviz.model.targets import Target, target_scores
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views import View


def check_views(views: object) -> None:
    """Checks the argument ``views``.

    Raises:
        TypeError: it is no sequence of views.
        ValueError: it is empty.
    """
    if views is None:
        return
    if not isinstance(views, Sequence) or not all(isinstance(view, View) for view in views):
        raise TypeError(f"views must be a sequence of views such as [GradCAM()], got {views!r}")
    if not views:
        raise ValueError("views must hold at least one view, got none")


def check_share(name: str, share: float | None) -> None:
    """Checks a share of something.

    Raises:
        ValueError: it is not above 0 and at most 1.
    """
    if share is not None and not 0 < share <= 1:
        raise ValueError(f"{name} must be above 0 and at most 1, got {share!r}")


def check_classes(layout: Layout, samples: FixedSamples, target: Target, class_names: Sequence[str] | None) -> None:
    """Checks names, labels and target against the number of classes that the model turned out to have.

    Raises:
        ArgumentError: there are too few names, or the target is out of range.
        ValueError: a label is out of range, or there are no labels to go by.
    """
    if class_names is not None and len(class_names) < layout.classes:
        raise ArgumentError(f"class_names has {len(class_names)} names, the model has {layout.classes} classes")
    if samples.labels is not None and int(samples.labels.max()) >= layout.classes:
        raise ValueError(
            f"samples have labels up to {int(samples.labels.max())}, the model has {layout.classes} classes"
        )
    if not callable(target):
        try:
            target_scores(torch.zeros(len(samples), layout.classes), target, samples.labels)
        except (ValueError, TypeError) as error:
            raise ArgumentError(str(error)) from error
