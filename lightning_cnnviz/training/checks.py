"""Bad input, found before training: each check raises one error that says what came and what is allowed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from lightning_cnnviz.look import check_classes, check_views
from lightning_cnnviz.output.artifacts import Scalar
from lightning_cnnviz.views import View

__all__ = ["check_artifact", "check_classes", "check_distinct", "check_share", "check_views"]


def check_share(name: str, share: float | None) -> None:
    """Checks a share of something.

    Raises:
        ValueError: it is not above 0 and at most 1.
    """
    if share is not None and not 0 < share <= 1:
        raise ValueError(f"{name} must be above 0 and at most 1, got {share!r}")


def check_distinct(views: Sequence[View] | None) -> None:
    """Checks that no view is given twice.

    Raises:
        ValueError: one is.
    """
    for index, view in enumerate(views or ()):
        if any(view is other for other in (views or ())[:index]):
            raise ValueError(f"views holds the same {view.name} twice; make two")


def check_artifact(artifact: object) -> None:
    """Checks what a view gave, so that what is wrong with it costs that view and nobody else.

    Raises:
        TypeError: it is no artifact, or its tag, a remark or a number is none.
    """
    tag = getattr(artifact, "tag", None)
    if not isinstance(tag, str) or not tag or not dataclasses.is_dataclass(artifact):
        raise TypeError(f"draw() must give pictures, numbers, notes and arrays, each under a tag, got {artifact!r:.80}")
    for remark in getattr(artifact, "remarks", ()):
        if not isinstance(remark, str):
            raise TypeError(f"{tag}: remarks must be strings, got {remark!r:.80}")
    if isinstance(artifact, Scalar):
        float(artifact.value)
