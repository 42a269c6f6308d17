"""The one loop that puts things back: each of them, whatever the others do, and however often it is interrupted."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

_ATTEMPTS = 3


class Saved(Protocol):
    """One thing as it was.

    Attributes:
        name: for the user, who is told if it could not be put back.
    """

    name: str

    def restore(self) -> None:
        """Makes it as it was; called again after an interrupt, from wherever that was."""

    def differs(self) -> bool:
        """Whether it is not as it was; False where looking would be dear."""


@contextmanager
def restored(take: Callable[[], Sequence[Saved]], prepare: Callable[[], Any] = lambda: None) -> Iterator[None]:
    """Puts back afterwards what was taken down before, also after an exception or an interrupt.

    Nothing is trusted: at the end all that is cheap to look at is compared once more, and repaired with one warning.

    Args:
        take: takes everything down; only reads.
        prepare: called inside, and may change what was taken down.
    """
    undo = _Undo(take())
    # Three times, because an interrupt may strike between any two lines, also of those that put things back.
    try:
        try:
            try:
                prepare()
                yield
            finally:
                undo()
        finally:
            undo()
    finally:
        undo()
        undo.report()


class _Undo:
    """Restores everything once, last taken first; what was restored is not touched again by another call."""

    def __init__(self, saved: Sequence[Saved]) -> None:
        self._waiting = list(saved)
        self._unchecked = list(saved)
        self._attempts = 0
        self._interrupt: BaseException | None = None
        self._failed: dict[str, str] = {}

    def __call__(self) -> None:
        while self._waiting:
            self._attempt(self._waiting, lambda saved: saved.restore())
        while self._unchecked:
            self._attempt(self._unchecked, self._check)
        interrupt, self._interrupt = self._interrupt, None
        if interrupt is not None:
            raise interrupt

    def report(self) -> None:
        """Warns once of what was not as before."""
        if self._failed:
            failed = "; ".join(f"{name or 'the model'} {problem}" for name, problem in self._failed.items())
            warnings.warn(f"a look may have left traces in the training: {failed}", RuntimeWarning, stacklevel=4)

    def _attempt(self, todo: list[Saved], action: Callable[[Saved], None]) -> None:
        """Does one thing; if it is interrupted, it is still to do."""
        saved = todo[-1]
        try:
            action(saved)
        except Exception as error:
            self._failed[saved.name] = f"could not be put back: {type(error).__name__}: {error}"
        except BaseException as interrupt:
            self._interrupt = interrupt
            self._attempts += 1
            if self._attempts < _ATTEMPTS:
                return
            self._failed[saved.name] = f"could not be put back: {type(interrupt).__name__}"
        self._attempts = 0
        todo.pop()

    def _check(self, saved: Saved) -> None:
        if saved.differs():
            saved.restore()
            if saved.differs():
                raise RuntimeError("it does not stay as it was")
            self._failed[saved.name] = "was put back only at the second attempt"
