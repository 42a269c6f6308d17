"""Bad input, found before training: each check raises one error that says what came and what is allowed."""

from __future__ import annotations

from lightning_cnnviz.look import check_classes, check_views

__all__ = ["check_classes", "check_share", "check_views"]


def check_share(name: str, share: float | None) -> None:
    """Checks a share of something.

    Raises:
        ValueError: it is not above 0 and at most 1.
    """
    if share is not None and not 0 < share <= 1:
        raise ValueError(f"{name} must be above 0 and at most 1, got {share!r}")
