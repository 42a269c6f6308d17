"""A bar in the Trainer's own style for work that takes long."""

from __future__ import annotations

import time
from typing import Any

_LONG_S = 1.0


class ProgressBar:
    """Shows how far the optimisation of images is, once it has taken a second, with the Trainer's own progress bar.

    Args:
        trainer_bar: ``trainer.progress_bar_callback``: Lightning's tqdm or rich bar, or None for no bar.
    """

    def __init__(self, trainer_bar: Any) -> None:
        self._trainer_bar = trainer_bar
        self._started: float | None = None
        self._bar: _TqdmBar | _RichBar | None = None

    def update(self, description: str, done: int, total: int) -> None:
        """Tells that ``done`` steps of ``total`` are done."""
        now = time.monotonic()
        self._started = now if self._started is None else self._started
        if self._bar is None and now - self._started >= _LONG_S:
            self._bar = _open(self._trainer_bar, description, total)
        if self._bar is not None:
            self._bar.set(done)

    def close(self) -> None:
        """Takes the bar off the screen."""
        if self._bar is not None:
            self._bar.close()
        self._bar, self._started = None, None


class _TqdmBar:
    def __init__(self, trainer_bar: Any, description: str, total: int) -> None:
        self._tqdm = trainer_bar.init_validation_tqdm()
        self._tqdm.leave = False
        self._tqdm.set_description(description)
        self._tqdm.reset(total)

    def set(self, done: int) -> None:
        self._tqdm.update(done - self._tqdm.n)

    def close(self) -> None:
        self._tqdm.close()


class _RichBar:
    def __init__(self, trainer_bar: Any, description: str, total: int) -> None:
        self._bar = trainer_bar
        self._task = trainer_bar._add_task(total, description)

    def set(self, done: int) -> None:
        self._bar.progress.update(self._task, completed=done)

    def close(self) -> None:
        self._bar.progress.remove_task(self._task)


def _open(trainer_bar: Any, description: str, total: int) -> _TqdmBar | _RichBar | None:
    if trainer_bar is None or getattr(trainer_bar, "is_disabled", False):
        return None
    if hasattr(trainer_bar, "init_validation_tqdm"):
        return _TqdmBar(trainer_bar, description, total)
    return _RichBar(trainer_bar, description, total) if getattr(trainer_bar, "progress", None) is not None else None
