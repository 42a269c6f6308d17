"""The boundary between us and Lightning: what fails in us, or in what we call, ends no run."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Concatenate, Literal, ParamSpec, Protocol, TypeVar, get_args

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from lightning_cnnviz.arguments import ArgumentError, one_of
from lightning_cnnviz.guard.process_state import process_state_preserved
from lightning_cnnviz.views import View

OnError = Literal["warn", "raise"]

_LONGEST = 400  # letters of a message of somebody else's

_LIGHTNINGS_CONTROL_FLOW = {"_TunerExitException"}
"""By class name, because ``lightning`` and ``pytorch_lightning`` each have their own."""

_FAILURES_TOO = {"PanicException", "CancelledError"}
"""By class name, what extensions written in Rust, and asyncio, raise that is no ``Exception``."""


class Failures:
    """What fails around one callback: told once, and nothing but what failed is given up.

    Args:
        name: what messages call the callback.
        on_error: ``"raise"`` raises instead, for debugging.

    Raises:
        TypeError: ``on_error`` is no string.
        ValueError: ``on_error`` is another word.
    """

    def __init__(self, name: str, on_error: OnError) -> None:
        one_of("on_error", on_error, get_args(OnError))
        self._name = name
        self._on_error = on_error
        self._off: list[View] = []
        self._all_off = False
        self._gathers = False
        self._untold: dict[str, list[View]] = {}  # why: the views

    @property
    def ends_nothing(self) -> bool:
        """Whether a failure is a warning."""
        return self._on_error == "warn"

    def reset(self) -> None:
        """Everything is tried again."""
        self._off, self._all_off = [], False

    def working(self, views: Iterable[View]) -> list[View]:
        """Those of the views that were not given up."""
        return [] if self._all_off else [view for view in views if not any(view is other for other in self._off)]

    def give_up(self, views: Iterable[View], error: Exception) -> None:
        """Goes on without some views, and says why: at once, or where :meth:`gathered` ends."""
        if self._on_error == "raise":
            raise error
        lost = self.working(views)
        self._off.extend(lost)
        if lost:
            self._untold.setdefault(described(error), []).extend(lost)
        if not self._gathers:
            self._tell()

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Views that fail alike inside are told of in one warning, when it is over."""
        self._gathers = True
        try:
            yield
        finally:
            self._gathers = False
            self._tell()

    def _tell(self) -> None:
        untold, self._untold = self._untold, {}
        for why, views in untold.items():
            warn(f"{self._name} goes on without {', '.join(map(_name_of, views))}: {why}")

    def give_up_all(self, error: BaseException) -> None:
        """Goes on without the callback, and says why."""
        if self._on_error == "raise":
            raise error
        if not self._all_off:
            self._all_off = True
            warn(f"training goes on without {self._name}: {described(error)}")

    def refuse(self, error: Exception) -> MisconfigurationException:
        """What to raise for an argument that ends a run before its first step."""
        return MisconfigurationException(f"{self._name}: {error}")

    @contextmanager
    def of(self, *views: View) -> Iterator[None]:
        """What fails inside costs these views only."""
        try:
            yield
        except Exception as error:
            self.give_up(views, error)


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


class HasFailures(Protocol):
    """A callback that knows what failed around it."""

    failures: Failures


C = TypeVar("C", bound=HasFailures)
P = ParamSpec("P")
T = TypeVar("T")


def entry(hook: Callable[Concatenate[C, P], T]) -> Callable[Concatenate[C, P], T]:
    """A method that Lightning calls: it leaves the process as it was, and what fails in it costs no run.

    What fails costs the callback, and None is returned. What passes: interrupts and exits, Lightning's own control
    flow, and an :class:`ArgumentError`, which comes up only before the first training step.
    """

    @functools.wraps(hook)
    def preserving(self: C, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with process_state_preserved():
            return hook(self, *args, **kwargs)

    return batch_entry(preserving)


def batch_entry(hook: Callable[Concatenate[C, P], T]) -> Callable[Concatenate[C, P], T]:
    """As :func:`entry`, for what is called with every batch: it preserves the process's state by itself if need be."""

    @functools.wraps(hook)
    def guarded(self: C, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return hook(self, *args, **kwargs)
        except ArgumentError as error:
            raise self.failures.refuse(error) from error
        except BaseException as error:
            name = type(error).__name__
            if name in _LIGHTNINGS_CONTROL_FLOW or not (isinstance(error, Exception) or name in _FAILURES_TOO):
                raise
            self.failures.give_up_all(error)
            return None  # type: ignore[return-value] # which Lightning takes for nothing

    return guarded


def warn(text: str) -> None:
    """Warns on rank 0; where the user turned warnings into errors, it tells instead of raising."""
    try:
        rank_zero_warn(text)
    except Warning:
        rank_zero_info(text)


def described(error: BaseException) -> str:
    """The error in one line, whatever its own words do."""
    try:
        words = str(error).strip().partition("\n")[0]
    except Exception:
        words = ""
    if len(words) > _LONGEST:
        words = f"{words[:_LONGEST]}…"
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _name_of(view: View) -> str:
    try:
        return view.name
    except Exception:
        return type(view).__name__
