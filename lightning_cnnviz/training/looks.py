"""One look for all callbacks on a Trainer: who shows what at which step, one pass, and where it goes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lightning.pytorch import LightningModule
from lightning.pytorch.trainer.states import TrainerFn

from lightning_cnnviz.look import UNMETERED, run_views
from lightning_cnnviz.output.artifacts import Artifact, Note, Picture, Scalar, Style
from lightning_cnnviz.training.progress import ProgressBar
from lightning_cnnviz.training.request_only import RequestOnly
from lightning_cnnviz.training.weight_averaging import drawn_weights
from lightning_cnnviz.views import View

if TYPE_CHECKING:
    from lightning_cnnviz.training.callback import CNNVisualizer
    from lightning_cnnviz.training.session import Session


@dataclass(frozen=True)
class Plan:
    """What rank 0 decided about one look.

    Attributes:
        step: where it is written.
        epoch: the epoch looked at, None for the untrained model.
        due: for each callback, in their order on the Trainer, the positions of its views that are due, each with what
            that view remembers on rank 0; the latter is empty where only rank 0 looks.
    """

    step: int
    epoch: int | None
    due: list[dict[int, dict[str, Any]]]


def look(session: Session, pl_module: LightningModule, *, untrained: bool = False) -> dict[str, float]:
    """Looks at the model once for all callbacks that can share a pass, and writes what was drawn.

    Returns:
        The numbers that Lightning is to log, by tag; they are not written here.
    """
    trainer = session.trainer
    for callback in session.callbacks:
        callback.sampling.try_to_choose(session)
    plan = session.ranks.broadcast_decision(lambda: _plan(session, untrained))
    if plan is None:
        return {}
    session.steps.looked(plan.step, trainer)
    with session.costs.look():
        monitored = _look_by_group(session, pl_module, plan)
    for scalar in session.costs.scalars():
        session.outlet.submit(scalar, plan.step)
    session.outlet.flush()
    return monitored


def _plan(session: Session, untrained: bool) -> Plan | None:
    callbacks, trainer = session.callbacks, session.trainer
    if not session.outlet.open() and not any(view.monitors for callback in callbacks for view in callback.views):
        return None
    due = [_due(callback, session, untrained) for callback in callbacks]
    step = session.steps.next(trainer)
    if step is None or not any(due):
        return None
    return Plan(step, None if untrained else trainer.current_epoch, due)


def _due(callback: CNNVisualizer, session: Session, untrained: bool) -> dict[int, dict[str, Any]]:
    """The positions of the views that are due, with what the other ranks need to know of them."""
    if callback.samples is None:
        return {}
    views = callback.failures.working(callback.views)
    due = callback.schedule.due(views, session.trainer, session.costs, untrained=untrained)
    return {callback.views.index(view): view.state_dict() if session.ranks.sharded else {} for view in due}


def _look_by_group(session: Session, pl_module: LightningModule, plan: Plan) -> dict[str, float]:
    trainer, first = session.trainer, session.callbacks[0]
    weights = drawn_weights(trainer.callbacks, first)
    if weights is not None and trainer.state.fn == TrainerFn.FITTING and trainer.validating:
        session.outlet.say(weights)
        session.outlet.submit(Note("weights", weights), plan.step)
    groups: dict[tuple[object, ...], dict[View, CNNVisualizer]] = {}
    for callback, due in zip(session.callbacks, plan.due, strict=True):
        for view in _views(callback, due, session):
            groups.setdefault(_pass_key(callback), {})[view] = callback
    monitored: dict[str, float] = {}
    for owners in groups.values():
        artifacts = _look_at_once(session, pl_module, owners, plan.epoch)
        with session.costs.stage("write"):
            for artifact in artifacts:
                if isinstance(artifact, Scalar) and artifact.monitored:
                    monitored[artifact.tag] = artifact.value
                else:
                    session.outlet.submit(artifact, plan.step)
    return monitored


def _views(callback: CNNVisualizer, due: Mapping[int, Mapping[str, Any]], session: Session) -> list[View]:
    views = [callback.views[position] for position in due]
    if session.ranks.is_main:
        return views
    return [RequestOnly(view, state) for view, state in zip(views, due.values(), strict=True)]


def _pass_key(callback: CNNVisualizer) -> tuple[object, ...]:
    """Callbacks with the same key are answered by the same pass."""
    target = callback.target if callable(callback.target) else repr(callback.target)
    return id(callback.samples), target, callback.output_key, callback.show


def _look_at_once(
    session: Session, pl_module: LightningModule, owners: Mapping[View, CNNVisualizer], epoch: int | None
) -> list[Artifact]:
    def failed(view: View, error: Exception) -> None:
        if session.ranks.is_main:  # who also leaves it out of the next plan, on all ranks
            owners[view].failures.give_up([view], error)

    first = next(iter(owners.values()))
    assert first.samples is not None
    progress = ProgressBar(session.trainer.progress_bar_callback)
    try:
        drawn = run_views(
            session.probe(pl_module, first, progress.update),
            session.survey(pl_module, first, first.samples),
            first.samples,
            list(owners),
            first.target,
            shown=first.show,
            epoch=epoch,
            meter=session.costs if session.ranks.is_main else UNMETERED,
            failed=failed,
        )
    except Exception as error:
        if session.ranks.is_main:
            for callback in dict.fromkeys(owners.values()):
                callback.failures.give_up([view for view in owners if owners[view] is callback], error)
        return []
    finally:
        progress.close()
    return [_adopted(artifact, owners[view], epoch) for view, artifacts in drawn for artifact in artifacts]


def _adopted(artifact: Artifact, callback: CNNVisualizer, epoch: int | None) -> Artifact:
    """An artifact of one of the views as its callback wants it written."""
    tag = callback.tag_prefix + artifact.tag
    if isinstance(artifact, Picture):
        style = Style(callback.font, "untrained" if epoch is None else f"epoch {epoch}")
        return dataclasses.replace(artifact, tag=tag, format=callback.picture_format, style=style)
    return dataclasses.replace(artifact, tag=tag)
