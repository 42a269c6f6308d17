"""What a callback keeps in a checkpoint, how it takes it up again, and when it starts afresh."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.samples.state import fingerprint
from lightning_cnnviz.training.bounding import bounded, unbounded
from lightning_cnnviz.training.failures import Failures, described, warn
from lightning_cnnviz.training.integrity import check_intact, checksum
from lightning_cnnviz.views import View

if TYPE_CHECKING:
    from lightning_cnnviz.training.callback import CNNVisualizer
    from lightning_cnnviz.training.session import Session


class Memory:
    """What the views of one callback remember.

    A view is known by its class and its place among the views of that class, so that another argument, or a view put in
    front of it, costs nothing.

    Args:
        views: all views of the callback.
        failures: told which views cannot say or take up what they remember.
    """

    def __init__(self, views: Sequence[View], failures: Failures) -> None:
        self._failures = failures
        self._views: dict[str, View] = {}
        self._unremembered: set[str] = set()
        self._told: set[str] = set()
        self._untried: set[str] = set()
        counts: Counter[str] = Counter()
        for view in views:
            name = type(view).__qualname__
            self._views[f"{name}/{counts[name]}"] = view
            counts[name] += 1
        self._fresh: dict[str, Any] | None = None
        self._aside: dict[str, Any] | None = None
        self._samples = ""

    def begin(self) -> None:
        """Notes what the views remember before they have seen anything, the first time it is called."""
        if self._fresh is None:
            self._fresh = copy.deepcopy(self._states())

    def forget(self) -> None:
        """Starts afresh."""
        self._samples, self._aside = "", None
        self._untried.clear()
        for key, view in self._views.items():
            self._reset(key, view)

    def set_aside(self) -> None:
        """Other samples come for a while: what is compared over looks is kept until they are gone."""
        self._aside = {"samples": self._samples, "views": copy.deepcopy(self._states())}

    def take_back(self) -> None:
        """The other samples are gone."""
        if self._aside is not None:
            aside, self._aside = self._aside, None
            self._samples = aside["samples"]
            for key, view in self._views.items():
                if view.remembers_samples and key in aside["views"]:
                    self._load(key, view, aside["views"][key])

    def meet(self, samples: FixedSamples) -> None:
        """These are the samples from now on; what was remembered of others is compared with nothing."""
        met = fingerprint(samples)
        if self._samples and self._samples != met:
            forgetful = [key for key, view in self._views.items() if view.remembers_samples]
            for key in forgetful:
                self._reset(key, self._views[key])
            if forgetful and self._aside is None:
                names = ", ".join(key.partition("/")[0] for key in forgetful)
                rank_zero_info(
                    f"{names}: the samples are others than before, so nothing is compared with earlier looks"
                )
        self._samples = met

    def state_dict(self) -> dict[str, Any]:
        """What the views remember, as tensors and primitives, made small enough by :func:`bounded`."""
        kept, told = bounded(self._states(), self._views)
        for remark in told.values():
            if remark not in self._told:
                self._told.add(remark)
                rank_zero_info(remark)
        return {"samples": self._samples, "views": kept, "checksums": {key: checksum(kept[key]) for key in kept}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes up what :meth:`state_dict` gave, as far as there are such views."""
        self.begin()
        self._samples = str(state["samples"])
        known = state.get("checksums")  # an older version wrote none
        for key, view in self._views.items():
            if key in state["views"]:
                self._load(key, view, state["views"][key], None if known is None else known.get(key, ""))
                self._untried.add(key)

    def begins_anew(self, view: View, error: Exception) -> bool:
        """Whether a view that failed is to be tried again without what it took up from a checkpoint: once."""
        key = next((key for key, one in self._views.items() if one is view and key in self._untried), None)
        if key is None or not self._failures.ends_nothing:
            return False
        self._untried.discard(key)
        name = key.partition("/")[0]
        warn(f"{name} starts afresh, it cannot go on from its state in the checkpoint: {described(error)}")
        self._reset(key, view)
        return True

    def went_well(self, view: View) -> None:
        """A view has drawn with what it took up."""
        self._untried.difference_update([key for key, one in self._views.items() if one is view])

    def _states(self) -> dict[str, Any]:
        states = {}
        for key, view in self._views.items():
            try:
                state = view.state_dict()
                _check_plain(state)
                states[key] = state
            except Exception as error:
                if key not in self._unremembered:
                    self._unremembered.add(key)
                    warn(f"what {key.partition('/')[0]} remembers is not saved: {described(error)}")
        return states

    def _load(self, key: str, view: View, state: Any, expected: object = None) -> None:
        try:
            if expected is not None:
                check_intact(state, expected)
            view.load_state_dict(unbounded(state))
        except Exception as error:
            warn(f"{key.partition('/')[0]} starts afresh, its state in the checkpoint does not fit: {described(error)}")
            self._reset(key, view)

    def _reset(self, key: str, view: View) -> None:
        if self._fresh is not None and key in self._fresh:
            with self._failures.of(view):
                view.load_state_dict(copy.deepcopy(self._fresh[key]))


def saved(callback: CNNVisualizer, session: Session | None) -> dict[str, Any]:
    """All that a callback keeps, as tensors and primitives."""
    state: dict[str, Any] = {"monitored": dict(callback.monitored)}
    if session is not None:
        state["steps"] = session.steps.state_dict()
    _try(callback, {"the samples": lambda: state.update(samples=callback.sampling.state_dict())})
    state["checksums"] = {part: checksum(kept) for part, kept in state.items()}
    state["memory"] = callback.memory.state_dict()
    return state


def restore(callback: CNNVisualizer, session: Session | None, state: Mapping[str, Any]) -> None:
    """Takes up what :func:`saved` gave; what is missing or damaged starts afresh."""
    known = state.get("checksums")  # an older version wrote none

    def intact(part: str) -> Any:
        if known is not None:
            check_intact(state[part], known.get(part))
        return state[part]

    parts = {
        "the samples": lambda: callback.sampling.load_state_dict(intact("samples")),
        "what the views remember": lambda: callback.memory.load_state_dict(state["memory"]),
        "monitored numbers": lambda: callback.monitored.update(_numbers(intact("monitored"))),
    }
    if session is not None:
        parts["the last step"] = lambda: session.steps.load_state_dict(intact("steps"))
    _try(callback, parts)
    if session is not None:
        callback.sampling.tell(session)


def _try(callback: CNNVisualizer, parts: Mapping[str, Callable[[], None]]) -> None:
    """Does each part, also where others fail; what failed is said in one line."""
    failed: dict[str, Exception] = {}
    for what, action in parts.items():
        try:
            action()
        except Exception as error:
            failed[what] = error
    if failed:
        why = described(next(iter(failed.values())))
        warn(f"{type(callback).__name__}: {', '.join(failed)} cannot be kept in or taken from a checkpoint: {why}")


def _numbers(state: Mapping[str, Any]) -> dict[str, float]:
    return {tag: value for tag, value in state.items() if isinstance(value, (int, float))}


def _check_plain(value: Any) -> None:
    """Raises TypeError for what ``torch.load(weights_only=True)`` would refuse, and with it the whole checkpoint."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            _check_plain(key)
            _check_plain(entry)
    elif type(value) in (list, tuple):
        for entry in value:
            _check_plain(entry)
    elif type(value) not in (type(None), bool, int, float, str) and not isinstance(value, Tensor):
        raise TypeError(f"state_dict() must hold tensors, numbers, strings and containers of them, got {type(value)}")
