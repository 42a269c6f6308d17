"""What a callback keeps in a checkpoint, and how it takes it up again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning_cnnviz.training.callback import CNNVisualizer
    from lightning_cnnviz.training.session import Session


def saved(callback: CNNVisualizer, session: Session | None) -> dict[str, Any]:
    """Captured samples, what the views remember and the last step drawn, as tensors and primitives."""
    return {
        "samples": callback.sampling.source.state_dict(),
        "views": [view.state_dict() for view in callback.views],
        "last_step": session.steps.last if session is not None else -1,
    }


def restore(callback: CNNVisualizer, session: Session | None, state: dict[str, Any]) -> None:
    """Takes up what :func:`saved` gave."""
    callback.sampling.remember_beginning()
    if callback.sampling.source.load_state_dict(state["samples"]):
        for view, remembered in zip(callback.views, state["views"], strict=True):
            view.load_state_dict(remembered)
    if session is not None:
        callback.sampling.tell(session)
    if session is not None:
        session.steps.resume(state["last_step"])
