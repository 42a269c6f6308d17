"""What the views remember, made small enough for every checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from lightning_cnnviz.samples.state import LARGEST, size_of
from lightning_cnnviz.views import View

_HALF = "half precision"


def bounded(states: Mapping[str, Any], views: Mapping[str, View]) -> tuple[dict[str, Any], dict[str, str]]:
    """The states of views, those of our own no larger than `LARGEST` together.

    Where they are larger, what is only drawn is rounded to half precision, that of the largest first, and what is too
    large even so is left out. What a view of the user's remembers is kept as it is.

    Args:
        states: what the views remember, by the key of the view.
        views: by the same keys.

    Returns:
        What is to be kept, and what the user is to be told, by the key of the view.
    """
    sizes = {key: size_of(state) for key, state in states.items()}
    kept, told = dict(states), {}
    for key, size in sizes.items():
        if not is_ours(views[key]) and size > LARGEST:
            told[key] = f"what {_name(key)} remembers takes {_megabytes(size)} MB in every checkpoint"
    ours = sorted((key for key in states if is_ours(views[key])), key=lambda key: -sizes[key])
    for key in ours:
        if sum(size_of(kept[one]) for one in ours) > LARGEST:
            kept[key] = _rounded(states[key], views[key].may_round)
            if size_of(kept[key]) < sizes[key]:
                told[key] = (
                    f"what {_name(key)} remembers would take {_megabytes(sizes[key])} MB in every checkpoint: it is "
                    "kept there in half precision"
                )
    for key in ours:
        if sum(size_of(kept[one]) for one in ours if one in kept) > LARGEST:
            del kept[key]
            told[key] = (
                f"what {_name(key)} remembers would take {_megabytes(sizes[key])} MB in every checkpoint and is not "
                "kept there: it begins anew where a run is resumed"
            )
    return kept, told


def unbounded(state: Any) -> Any:
    """The state of a view with its numbers in the precision that they had before :func:`bounded`."""
    if isinstance(state, Mapping):
        if state.keys() == {_HALF, "scale", "dtype"}:
            return (state[_HALF].float() * state["scale"]).to(getattr(torch, state["dtype"]))
        return {key: unbounded(value) for key, value in state.items()}
    return type(state)(map(unbounded, state)) if type(state) in (list, tuple) else state


def is_ours(view: View) -> bool:
    """Whether a view is of this package."""
    return type(view).__module__.startswith(f"{__package__.partition('.')[0]}.")


def _rounded(state: Any, may_round: Callable[[str], bool], key: str = "") -> Any:
    if isinstance(state, Mapping):
        return {name: _rounded(value, may_round, str(name)) for name, value in state.items()}
    if type(state) in (list, tuple):
        return type(state)(_rounded(value, may_round, key) for value in state)
    if not isinstance(state, Tensor) or state.dtype not in (torch.float32, torch.float64) or not may_round(key):
        return state
    # Half precision ends at 65,504.
    scale = float(state.nan_to_num(0, 0, 0).abs().amax()) if state.numel() else 0.0
    scale = scale or 1.0
    return {_HALF: (state / scale).half(), "scale": scale, "dtype": str(state.dtype).removeprefix("torch.")}


def _name(key: str) -> str:
    return key.partition("/")[0]


def _megabytes(size: int) -> str:
    return f"{size / 2**20:.0f}"
