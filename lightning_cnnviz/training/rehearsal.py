"""What cannot work is said before training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from lightning.pytorch import LightningModule

from lightning_cnnviz.arguments import ArgumentError
from lightning_cnnviz.look import check_classes
from lightning_cnnviz.model.evidence import Request
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.training.failures import warn
from lightning_cnnviz.views import View

if TYPE_CHECKING:
    from lightning_cnnviz.training.callback import CNNVisualizer
    from lightning_cnnviz.training.session import Session


def check_distinct(views: Sequence[View] | None) -> None:
    """Checks that no view is given twice.

    Raises:
        ValueError: one is.
    """
    for index, view in enumerate(views or ()):
        if any(view is other for other in (views or ())[:index]):
            raise ValueError(f"views holds the same {view.name} twice; make two")


def check_views_on(session: Session, callback: CNNVisualizer, model: LightningModule, *, late: bool = False) -> None:
    """Checks the views against the model, on all ranks alike; one that cannot work is given up.

    Args:
        session: of the Trainer.
        callback: whose views they are.
        model: what they are to look at.
        late: whether a run has begun: nothing ends it any more, and there may be ranks that know nothing of this.

    Raises:
        ArgumentError: an argument of a view names what the model does not have.
    """
    run: Callable[[Callable[[], None]], None] = _run_here if late else session.ranks.run_and_share_errors
    for other in session.callbacks[: session.callbacks.index(callback)]:
        for view in callback.views:
            if any(view is one for one in other.views):
                error = ArgumentError(
                    f"the same {view.name} stands in two callbacks: make one for each, and tell what they write apart "
                    "with tag_prefix"
                )
                if not late:
                    raise error
                callback.failures.give_up([view], error)
    if not any(True for _ in model.parameters()):  # configure_model() makes the layers later
        return
    with callback.failures.gathered():
        for view in callback.failures.working(callback.views):
            try:
                run(partial(view.check, model))
            except Exception as error:
                if isinstance(error, ArgumentError) and not late:
                    raise
                callback.failures.give_up([view], error)


def _run_here(action: Callable[[], None]) -> None:
    action()


def prepare(session: Session, callback: CNNVisualizer, pl_module: LightningModule) -> None:
    """Chooses the samples if there are any yet, and tries what each view asks for.

    Raises:
        ArgumentError: an argument of the callback or of a view names what the model does not have.
    """
    name = type(callback).__name__
    if not callback.failures.working(callback.views):  # and that has been told
        return
    try:
        samples = callback.sampling.choose(session, early=True)
        layout = None if samples is None else _surveyed(session, callback, pl_module, samples)
    except ArgumentError:
        raise
    except Exception as error:
        callback.failures.give_up(callback.views, error)
        return
    if samples is not None and layout is not None:
        _rehearse(session, callback, samples, layout)
    elif not session.trainer.enable_validation:
        warn(
            f"{name}: there is no validation to take samples from, so they are training images, augmented as such; "
            "samples=FixedSamples.from_dataset(...) gives others"
        )
    elif callback.schedule.log_untrained:
        session.outlet.say(
            f"{name} cannot draw the untrained model: there was no sanity check, or too few images or classes in it to "
            "take samples from"
        )


def _surveyed(session: Session, callback: CNNVisualizer, pl_module: LightningModule, samples: FixedSamples) -> Layout:
    layout = session.survey(pl_module, callback, samples)
    check_classes(layout, samples, callback.target, callback.class_names)
    if samples.fitting(layout.classes) is not samples:
        session.outlet.say(
            f"the {len(samples.class_names or ())} class names found with the data are left out: the model has "
            f"{layout.classes} classes; class_names=... names them"
        )
    return layout


def _rehearse(session: Session, callback: CNNVisualizer, samples: FixedSamples, layout: Layout) -> None:
    found = {}
    scored = callable(callback.target) or not layout.reading.reason  # else the look goes on without those gradients
    with callback.failures.gathered():
        for view in callback.failures.working(callback.views):
            try:
                layers = _layers(view.request(layout, samples), layout, scored=scored)
                found[view.name] = sorted(layers, key=layout.position)
            except ArgumentError:
                raise
            except Exception as error:
                if not callback.memory.begins_anew(view, error):
                    callback.failures.give_up([view], error)
    picked = "; ".join(f"{name} of {', '.join(layers)}" for name, layers in found.items() if layers)
    more = callback.sampling.how_to_take_more(session.trainer)
    session.outlet.say(
        f"{type(callback).__name__} looks at {len(samples)} samples{more}{': ' if picked else ''}{picked}"
    )


def _layers(request: Request, layout: Layout, *, scored: bool) -> frozenset[str]:
    """The layers to be looked at, without those whose gradients there cannot be: without a score, or under no_grad."""
    is_told = layout.reading.meaning != "nothing"  # what is in the graph of the score
    gradients = {name for name in request.gradients if layout[name].matters is not None or not is_told}
    return request.activations | request.weights | (gradients if scored else frozenset())
