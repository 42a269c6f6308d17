"""One look: the requests of several views merged, one pass through the model, and what each view shows of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Protocol
from weakref import WeakKeyDictionary

from lightning_cnnviz.arguments import ArgumentError, shown
from lightning_cnnviz.guard.process_state import process_state_preserved
from lightning_cnnviz.model.evidence import Evidence, Request, Training
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.model.probe import Probe
from lightning_cnnviz.model.targets import Target, check_range, fixed_classes
from lightning_cnnviz.output.artifacts import Artifact, Look, SampleSet, Seen
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View, how_to_read
from lightning_cnnviz.views.captions import captions


class Meter(Protocol):
    """Measures what a look costs, stage by stage and view by view."""

    def stage(self, name: str, view: object = None) -> AbstractContextManager[None]:
        """Measures a stage, and charges it to a view if one causes it."""

    def timed(self, view: object, request: Request) -> Request:
        """The same request, whose procedures are charged to the view."""


class _Unmetered:
    def stage(self, name: str, view: object = None) -> AbstractContextManager[None]:
        return nullcontext()

    def timed(self, view: object, request: Request) -> Request:
        return request


UNMETERED = _Unmetered()

_BATCH = 64


def raise_error(view: View, error: Exception) -> None:
    """Ends a look with the first view that fails."""
    raise error


def run_views(
    probe: Probe,
    layout: Layout,
    samples: FixedSamples,
    views: Sequence[View],
    target: Target,
    *,
    failed: Callable[[View, Exception], None] = raise_error,
    shown: int | None = None,
    epoch: int | None = None,
    training: Training | None = None,
    meter: Meter = UNMETERED,
    charged: View | None = None,
    say: Callable[[str], None] = lambda remark: None,
) -> tuple[Evidence, list[tuple[View, list[Artifact]]]]:
    """One look for several views: their requests merged, one pass, its evidence, and what each drew of it.

    A view that raises is reported to ``failed`` and left out; the others go on. What the shared pass itself raises is
    raised. What the reader should know of the model and of the layers looked at is told to ``say``. ``charged`` is the
    view that the pass is put down to, None where it serves all of them.
    """
    unwritten = _unreadable_labels(samples, layout)
    samples = _fitting(samples, layout)
    requests: dict[View, Request] = {}
    with process_state_preserved():
        for number, view in enumerate(views):
            try:
                request = view.request(layout, samples)
                probe.check(request)
                requests[view] = meter.timed(view, request.owned_by(number))
            except Exception as error:
                failed(view, error)
    merged = Request()
    for request in requests.values():
        merged |= request
    with meter.stage("pass", charged):
        evidence = probe.run(samples, layout, merged, target, shown=shown, epoch=epoch)
    for remark in (*layout.remarks, *layout.remarks_on(merged.activations | merged.gradients)):
        say(remark)
    if unwritten is not None:
        say(f"{unwritten}; no true class is written, since it is not known which ones they mean: {_COUNTING}")
    if training is not None:
        evidence = replace(evidence, training=training)
    drawn: list[tuple[View, list[Artifact]]] = []
    for number, view in enumerate(views):
        if view in requests:
            try:
                with meter.stage("draw", view), process_state_preserved():
                    drawn.append((view, list(view.draw(evidence.owned_by(number)))))
            except Exception as error:
                failed(view, error)
    return evidence, drawn


def looks_at_all(probe: Probe, layout: Layout, samples: FixedSamples, request: Request) -> Iterator[Evidence]:
    """What a pass over each 64 of the samples gives, in their order, where there are more than fit into one."""
    for start in range(0, len(samples), _BATCH):
        batch = samples.chosen(range(start, min(start + _BATCH, len(samples))))
        yield probe.run(batch, layout, request)


def seen(evidence: Evidence, drawn: Sequence[tuple[View, Artifact]], name: str = "") -> Seen:
    """What is kept of one pass: the samples, what the model answered, what the views showed.

    Args:
        evidence: of the pass.
        drawn: what each view handed over, under the tags at which it is written.
        name: of the samples.
    """
    # Of numbers that are not finite no class is the best: the captions say so.
    of_classes = evidence.layout.reading.meaning == "classes" and evidence.probabilities.shape[1] > 0
    of_classes = of_classes and bool(evidence.probabilities.isfinite().all())
    explained, spoken = evidence.target_classes, None
    if not of_classes:
        everyone = replace(evidence, shown=min(len(evidence.samples), _MOST_CAPTIONS))
        spoken = tuple((caption.lines, caption.correct) for caption in captions(everyone))
    return Seen(
        samples=_sample_set(evidence.samples),
        shown=evidence.shown,
        artifacts=tuple((view.name, artifact) for view, artifact in drawn if not isinstance(artifact, Look)),
        descriptions={view.name: how_to_read(view) for view in {id(view): view for view, _ in drawn}.values()},
        probabilities=evidence.probabilities.numpy() if of_classes else None,
        explained=None if explained is None or not of_classes else tuple(explained.tolist()),
        captions=spoken,
        name=name,
    )


def look_at(evidence: Evidence, drawn: Sequence[tuple[View, Artifact]]) -> Look:
    """What is kept of a look without a Trainer."""
    return Look("record", time.time(), None, (seen(evidence, drawn),))


_MOST_CAPTIONS = 64
_sample_sets: WeakKeyDictionary[FixedSamples, SampleSet] = WeakKeyDictionary()


def _sample_set(samples: FixedSamples) -> SampleSet:
    """The same one for the same samples, so that they are encoded and stored once."""
    if samples not in _sample_sets:
        _sample_sets[samples] = SampleSet(
            pictures=tuple(samples.display_pictures()),
            labels=None if samples.labels is None else tuple(samples.labels.tolist()),
            class_names=None if samples.class_names is None else tuple(samples.class_names),
            boxes=tuple(samples.parts_shown()),
        )
    return _sample_sets[samples]


def check_views(views: object) -> None:
    """Checks an argument ``views``.

    Raises:
        TypeError: it is no sequence of views.
        ValueError: it is empty.
    """
    if views is None:
        return
    if not isinstance(views, Sequence) or not all(isinstance(view, View) for view in views):
        raise TypeError(f"views must be a sequence of views such as [GradCAM()], got {shown(views)}")
    if not views:
        raise ValueError("views must hold at least one view, got none")


def check_classes(
    layout: Layout, samples: FixedSamples, target: Target, class_names: Sequence[str] | None = None
) -> None:
    """Checks names and target, and where it is the label the labels, against the number of classes of the model.

    Raises:
        ArgumentError: there are too few names, or the target is out of range.
        ValueError: the target is the label, and labels are out of range.
    """
    if class_names is not None and len(class_names) < layout.classes:
        raise ArgumentError(f"class_names has {len(class_names)} names, the model has {layout.classes} classes")
    if isinstance(target, str) and target == "label":
        check_labels(layout, samples)
    samples = _fitting(samples, layout)
    if callable(target) or (isinstance(target, str) and target == "predicted") or not layout.reading.width:
        return
    try:
        check_range(fixed_classes(target, len(samples), samples.labels), layout.reading.width)
    except (ValueError, TypeError) as error:
        raise ArgumentError(str(error)) from error


def check_labels(layout: Layout, samples: FixedSamples) -> None:
    """Checks labels against the number of classes of the model.

    Raises:
        ValueError: one is out of range.
    """
    unreadable = _unreadable_labels(samples, layout)
    if unreadable is not None:
        raise ValueError(f"{unreadable}: {_COUNTING}")


_COUNTING = (
    "labels count from 0, and in batches -100 stands for none; where the output is no scores of classes, "
    "output='embedding' or another kind says what it is"
)


def _unreadable_labels(samples: FixedSamples, layout: Layout) -> str | None:
    """Says that labels are none of the model's classes, None where all are: then no label can be trusted."""
    if layout.reading.meaning not in ("classes", "labels") or samples.labelled_below(layout.classes) is samples:
        return None
    assert samples.labels is not None
    return f"samples have labels up to {int(samples.labels.max())}, the model has {layout.classes} classes"


def _fitting(samples: FixedSamples, layout: Layout) -> FixedSamples:
    """The samples without names of other classes, and with labels where whole numbers turn out to be classes.

    Without labels where some are of other classes.
    """
    if layout.reading.meaning in ("classes", "labels"):
        samples = samples.labelled_below(layout.classes)
    return samples.fitting(layout.classes, one_each=layout.reading.meaning == "classes")
