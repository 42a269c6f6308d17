"""One look for all callbacks on a Trainer: one pass for all that can share it, and what is monitored of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lightning.pytorch import LightningModule
from lightning.pytorch.trainer.states import TrainerFn

from lightning_cnnviz.look import UNMETERED, run_views
from lightning_cnnviz.model.evidence import Evidence
from lightning_cnnviz.output.artifacts import Artifact, Note
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.training.progress import ProgressBar
from lightning_cnnviz.training.request_only import RequestOnly
from lightning_cnnviz.training.schedule import Plan, make_plan
from lightning_cnnviz.training.submission import Drawn, Submission
from lightning_cnnviz.views import View

if TYPE_CHECKING:
    from lightning_cnnviz.training.callback import CNNVisualizer
    from lightning_cnnviz.training.session import Session


def look(session: Session, pl_module: LightningModule, *, untrained: bool = False) -> dict[str, float]:
    """Looks at the model once for all callbacks that can share a pass, and writes what was drawn.

    Returns:
        The numbers that Lightning is to log, by tag; they are not written here. Those of earlier looks are among them,
        because whoever monitors a number wants it after every validation. None but while training.
    """
    trainer = session.trainer
    if trainer.state.fn == TrainerFn.FITTING and not untrained:
        session.steps.validations += 1
    for callback in session.callbacks:
        callback.sampling.try_to_choose(session, early=untrained)
    plan = session.ranks.broadcast_decision(lambda: make_plan(session, untrained=untrained))
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
    monitored_by_others = _monitored_by_others(trainer)
    promised = {
        callback.tag_prefix + tag: 0.0
        for callback in session.callbacks
        for view in callback.views
        for tag in view.monitored_tags
        if callback.tag_prefix + tag in monitored_by_others
    }
    known = {tag: value for callback in session.members for tag, value in callback.monitored.items()}
    return promised | known


def _monitored_by_others(trainer: Any) -> set[object]:
    """The names of numbers that other callbacks and schedulers monitor, whether there are such numbers or not."""
    schedulers = (getattr(config, "monitor", None) for config in trainer.lr_scheduler_configs)
    return {*schedulers, *(getattr(callback, "monitor", None) for callback in trainer.callbacks)}


def _look_by_group(session: Session, pl_module: LightningModule, plan: Plan) -> dict[str, float]:
    trainer = session.trainer
    weights = _drawn_weights(trainer.callbacks, session.callbacks[0])
    if weights is not None and trainer.state.fn == TrainerFn.FITTING and trainer.validating:
        session.outlet.say(weights)
        session.outlet.submit_to_all(Note("weights", weights), plan.step)
    groups: dict[tuple[object, ...], list[_Shown]] = {}
    for callback, due in zip(session.callbacks, plan.due, strict=True):
        if due:
            for shown in (_Shown(view, callback) for view in _views(callback, due, session)):
                groups.setdefault(_pass_key(shown), []).append(shown)
    submission = Submission(session, plan)
    for group in groups.values():
        looked = _look_at_once(session, pl_module, group, plan.epoch)
        if looked is not None:
            with session.costs.stage("write"):
                submission.submit(*looked)
    submission.finish()
    return submission.monitored


def _drawn_weights(callbacks: Sequence[object], ours: object) -> str | None:
    """Says whether a look after a validation sees the averaged weights; None if nothing averages them.

    ``WeightAveraging`` validates with the averaged weights and puts the others back in its own
    ``on_validation_epoch_end``, so what we see in ours depends on which of the two comes first.

    Args:
        callbacks: all callbacks of the Trainer, in their order.
        ours: the one of them that looks.
    """
    # By class name, because `lightning` and `pytorch_lightning` each have a WeightAveraging unknown to the other.
    averaging = [callback for callback in callbacks if "WeightAveraging" in _class_names(callback)]
    if not averaging:
        return None
    name, our_name = type(averaging[0]).__name__, type(ours).__name__
    if callbacks.index(averaging[0]) > callbacks.index(ours):
        return f"The averaged weights are drawn, those of the validation metrics: {name} stands after {our_name}."
    return (
        f"The weights in training are drawn, not the averaged ones of the validation metrics: {name} stands before "
        f"{our_name} among the callbacks. Put it after to see the averaged ones."
    )


def _class_names(callback: object) -> set[str]:
    return {base.__name__ for base in type(callback).__mro__}


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
    session: Session, pl_module: LightningModule, group: Sequence[_Shown], epoch: int | None
) -> tuple[Evidence, list[Drawn]] | None:
    """One pass for views that can share it, and what they drew; None if the pass itself failed."""
    owners = {id(shown.view): shown for shown in group}
    again: list[_Shown] = []

    def failed(view: View, error: Exception) -> None:
        shown = owners[id(view)]
        if not session.ranks.is_main:  # who also leaves it out of the next plan, on all ranks
            return
        if shown.callback.memory.begins_anew(view, error):
            again.append(shown)
        else:
            shown.callback.failures.give_up([view], error)

    try:
        evidence, of_views = _run(session, pl_module, group, epoch, failed)
    except Exception as error:
        if session.ranks.is_main:
            for shown in group:
                shown.callback.failures.give_up([shown.view], error)
        return None
    drawn = [(owners[id(view)].callback, view, artifacts) for view, artifacts in of_views]
    for callback, view, _ in drawn:
        callback.memory.went_well(view)
    if again and not session.ranks.sharded:  # whose other ranks know nothing of it before the next look
        more = _look_at_once(session, pl_module, again, epoch)
        drawn += [] if more is None else more[1]
    return evidence, drawn


def _run(
    session: Session,
    pl_module: LightningModule,
    group: Sequence[_Shown],
    epoch: int | None,
    failed: Callable[[View, Exception], None],
) -> tuple[Evidence, list[tuple[View, list[Artifact]]]]:
    first, samples = group[0].callback, group[0].samples
    assert first.samples is not None
    # A pass of its own over many samples is what the numbers cost, and left out with them where time is short.
    for_numbers = all(shown.view.sees_all_samples for shown in group) and len(samples) > first.show
    with closing(ProgressBar(session.trainer.progress_bar_callback)) as progress:
        return run_views(
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
        )
