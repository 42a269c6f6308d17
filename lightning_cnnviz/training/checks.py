"""Bad input, found before training: each check raises one error that says what came and what is allowed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import get_args

from lightning.fabric.utilities.exceptions import MisconfigurationException

from lightning_cnnviz.arguments import shown
from lightning_cnnviz.look import check_classes, check_views
from lightning_cnnviz.output.artifacts import Artifact
from lightning_cnnviz.views import View

__all__ = ["check_artifact", "check_classes", "check_distinct", "check_views", "refusing"]


@contextmanager
def refusing(callback: str) -> Iterator[None]:
    """Refuses, in the name of a callback, what the checks of arguments inside refuse.

    Raises:
        MisconfigurationException: one of them does.
    """
    try:
        yield
    except (ValueError, TypeError) as error:
        raise MisconfigurationException(f"{callback}: {error}") from error


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
        TypeError: it is no artifact.
    """
    if not isinstance(artifact, get_args(Artifact)):
        raise TypeError(f"draw() must give pictures, numbers, notes and arrays, got {shown(artifact)}")
