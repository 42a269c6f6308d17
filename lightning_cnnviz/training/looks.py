"""One look for all callbacks on a Trainer: who shows what at which step, one pass, and where it goes."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lightning.pytorch import LightningModule
from lightning.pytorch.trainer.states import TrainerFn

from lightning_cnnviz.look import UNMETERED, run_views
from lightning_cnnviz.look import seen as look_seen
from lightning_cnnviz.model.evidence import Evidence
from lightning_cnnviz.output.artifacts import Artifact, Look, Note, Picture, Scalar, Seen, Style
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.training.checks import check_artifact
from lightning_cnnviz.training.failures import described
from lightning_cnnviz.training.outlet import Sinks
from lightning_cnnviz.training.progress import ProgressBar
from lightning_cnnviz.training.request_only import RequestOnly
from lightning_cnnviz.training.tags import Occurrences
from lightning_cnnviz.training.weight_averaging import drawn_weights
from lightning_cnnviz.views import View
from lightning_cnnviz.views.base import how_to_read

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
        The numbers that Lightning is to log, by tag; they are not written here. While training those of earlier looks
        are among them, because whoever monitors a number wants it after every validation.
    """
    trainer = session.trainer
    if trainer.state.fn == TrainerFn.FITTING and not untrained:
        session.steps.validations += 1
    for callback in session.callbacks:
        callback.sampling.try_to_choose(session, early=untrained)
    plan = session.ranks.broadcast_decision(lambda: _plan(session, untrained))
    monitored: dict[str, float] = {}
    if plan is not None:
        session.steps.looked(plan.step, trainer)
        session.training = session.pace.take()
        with session.costs.look():
            monitored = _look_by_group(session, pl_module, plan)
        for scalar in session.costs.scalars():
            session.outlet.submit_to_all(scalar, plan.step)
        session.outlet.flush()
    if trainer.state.fn != TrainerFn.FITTING:
        return monitored
    promised = {
        callback.tag_prefix + tag: 0.0
        for callback in session.callbacks
        for view in callback.views
        for tag in view.monitored_tags
        if callback.tag_prefix + tag in _monitored_by_others(trainer)
    }
    known = {tag: value for callback in session.callbacks for tag, value in callback.monitored.items()}
    return promised | known


def _monitored_by_others(trainer: Any) -> set[object]:
    """What other callbacks and schedulers ask Lightning for after every validation, whether there is such a number."""
    schedulers = (getattr(config, "monitor", None) for config in trainer.lr_scheduler_configs)
    return {*schedulers, *(getattr(callback, "monitor", None) for callback in trainer.callbacks)}


def _plan(session: Session, untrained: bool) -> Plan | None:
    callbacks, trainer = session.callbacks, session.trainer
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
    if not session.outlet.open(callback.sinks):
        # Their pictures go nowhere; whether there are numbers to be monitored shows at the first look.
        views = [view for view in views if session.may_monitor(view)]
    validations = session.steps.validations
    due = callback.schedule.due(views, session.trainer, session.costs, untrained=untrained, validations=validations)
    positions = [next(i for i, view in enumerate(callback.views) if view is one) for one in due]
    return {i: callback.views[i].state_dict() if session.ranks.sharded else {} for i in positions}


def _look_by_group(session: Session, pl_module: LightningModule, plan: Plan) -> dict[str, float]:
    trainer, first = session.trainer, session.callbacks[0]
    weights = drawn_weights(trainer.callbacks, first)
    if weights is not None and trainer.state.fn == TrainerFn.FITTING and trainer.validating:
        session.outlet.say(weights)
        session.outlet.submit_to_all(Note("weights", weights), plan.step)
    groups: dict[tuple[object, ...], list[_Shown]] = {}
    for callback, due in zip(session.callbacks, plan.due, strict=True):
        if due:
            for shown in (_Shown(view, callback) for view in _views(callback, due, session)):
                groups.setdefault(_pass_key(shown), []).append(shown)
    monitored: dict[str, float] = {}
    occurrences = Occurrences()
    seen: dict[int, list[Seen]] = {}
    for group in groups.values():
        evidence: list[Evidence] = []
        drawn = _look_at_once(session, pl_module, group, plan.epoch, evidence.append)
        written: dict[int, list[tuple[View, Artifact]]] = {}
        with session.costs.stage("write"):
            for shown_view, artifacts in drawn:
                number = session.callbacks.index(shown_view.callback)
                ours = written.setdefault(number, [])
                with shown_view.callback.failures.of(shown_view.view):
                    for artifact in artifacts:
                        placed = _placed(session, shown_view, artifact, occurrences, plan.epoch)
                        if isinstance(placed, Scalar) and placed.monitored:
                            monitored[placed.tag] = shown_view.callback.monitored[placed.tag] = placed.value
                        elif not (isinstance(placed, Scalar) and placed.detail):
                            session.outlet.submit(placed, plan.step, shown_view.callback.sinks)
                        ours.append((shown_view.view, placed))
                monitoring = any(isinstance(artifact, Scalar) and artifact.monitored for artifact in artifacts)
                session.note_drawn(shown_view.view, monitoring=monitoring)
            for number, ours in written.items():
                name = session.callbacks[number].tag_prefix.rstrip("/")
                try:
                    seen.setdefault(number, []).append(look_seen(evidence[0], ours, name))
                except Exception as error:  # the pictures are written all the same
                    session.warn_once(f"a look is missing on the page: {described(error)}", about="the record")
    _submit_records(session, plan, seen)
    return monitored


@dataclass(frozen=True, eq=False)
class _Shown:
    """A view that is due, and whose it is."""

    view: View
    callback: CNNVisualizer

    @property
    def samples(self) -> FixedSamples:
        """What it sees."""
        samples = self.callback.sampling.seen_by(self.view)
        assert samples is not None, "without samples no view is due"
        return samples


def _submit_records(session: Session, plan: Plan, seen: Mapping[int, Sequence[Seen]]) -> None:
    """One record for each set of sinks, since all of a look has one step."""
    by_sinks: dict[tuple[int, ...] | None, tuple[Sinks, list[Seen]]] = {}
    for number, ours in seen.items():
        sinks = session.callbacks[number].sinks
        key = None if sinks is None else tuple(map(id, sinks))
        by_sinks.setdefault(key, (sinks, []))[1].extend(ours)
    for destination, together in by_sinks.values():
        record = Look("record", time.time(), plan.epoch, tuple(together))
        session.outlet.submit(record, plan.step, destination)


def _views(callback: CNNVisualizer, due: Mapping[int, Mapping[str, Any]], session: Session) -> list[View]:
    views = [callback.views[position] for position in due]
    if session.ranks.is_main:
        return views
    return [RequestOnly(view, state) for view, state in zip(views, due.values(), strict=True)]


def _pass_key(shown: _Shown) -> tuple[object, ...]:
    """Views with the same key are answered by the same pass."""
    callback = shown.callback
    target = callback.target if callable(callback.target) else repr(callback.target)
    return id(shown.samples), target, callback.show, *callback.reading.values()


def _look_at_once(
    session: Session,
    pl_module: LightningModule,
    group: Sequence[_Shown],
    epoch: int | None,
    passed: Callable[[Evidence], None],
) -> list[tuple[_Shown, list[Artifact]]]:
    owners = {id(shown.view): shown for shown in group}

    def failed(view: View, error: Exception) -> None:
        if session.ranks.is_main:  # who also leaves it out of the next plan, on all ranks
            owners[id(view)].callback.failures.give_up([view], error)

    first, samples = group[0].callback, group[0].samples
    assert first.samples is not None
    # A pass of its own over many samples is what the numbers cost, and left out with them where time is short.
    for_numbers = all(shown.view.sees_all_samples for shown in group) and len(samples) > first.show
    progress = ProgressBar(session.trainer.progress_bar_callback)
    try:
        drawn = run_views(
            session.probe(pl_module, first, progress.update),
            session.survey(pl_module, first, first.samples),
            samples,
            [shown.view for shown in group],
            first.target,
            shown=first.show,
            epoch=epoch,
            training=session.training,
            charged=group[0].view if for_numbers else None,
            meter=session.costs if session.ranks.is_main else UNMETERED,
            failed=failed,
            say=session.outlet.say,
            passed=passed,
        )
    except Exception as error:
        if session.ranks.is_main:
            for callback in dict.fromkeys(shown.callback for shown in group):
                callback.failures.give_up([shown.view for shown in group if shown.callback is callback], error)
        return []
    finally:
        progress.close()
    return [(owners[id(view)], artifacts) for view, artifacts in drawn]


def _placed(
    session: Session, shown: _Shown, artifact: Artifact, occurrences: Occurrences, epoch: int | None
) -> Artifact:
    """An artifact of a view as its callback wants it written, under a tag that no other view writes."""
    check_artifact(artifact)
    callback, kind = shown.callback, type(artifact).__name__
    tag = callback.tag_prefix + artifact.tag
    free = session.tags.claim(kind, tag, occurrences.owner(shown.view, kind, tag))
    if free != tag:
        session.warn_once(
            f"{tag} is the tag of two views or callbacks, so {shown.view.name} of {type(callback).__name__} writes to "
            f"{free}: give one of them another tag_prefix",
            about=f"the tag of {shown.view.name} {id(callback)}",
        )
    if isinstance(artifact, Picture):
        return dataclasses.replace(
            artifact,
            tag=free,
            format=callback.picture_format,
            style=Style(callback.font, "untrained" if epoch is None else f"epoch {epoch}"),
            chapter=artifact.chapter or shown.view.chapter,
            description=artifact.description or how_to_read(shown.view),
        )
    return dataclasses.replace(artifact, tag=free)
