"""What one look drew on its way to the outlet: under which tags, in which style, and the record of it."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias, get_args

from lightning.pytorch.trainer.states import TrainerFn

from lightning_cnnviz.arguments import shown
from lightning_cnnviz.look import seen as look_seen
from lightning_cnnviz.model.evidence import Evidence
from lightning_cnnviz.output.artifacts import Artifact, Look, Picture, Scalar, Seen, Style
from lightning_cnnviz.render import moment
from lightning_cnnviz.training.failures import described
from lightning_cnnviz.training.outlet import Sinks
from lightning_cnnviz.training.schedule import Plan
from lightning_cnnviz.views import View
from lightning_cnnviz.views.base import how_to_read

if TYPE_CHECKING:
    from lightning_cnnviz.training.callback import CNNVisualizer
    from lightning_cnnviz.training.session import Session


Drawn: TypeAlias = "tuple[CNNVisualizer, View, list[Artifact]]"
"""What a view of a callback drew."""

Owner: TypeAlias = tuple[int, int]
"""The id of a view, and how often it has written under a tag in this look."""


class Submission:
    """Hands on what the views drew at one look.

    Args:
        session: of the Trainer.
        plan: of the look.

    Attributes:
        monitored: the numbers for Lightning to log, by tag.
    """

    def __init__(self, session: Session, plan: Plan) -> None:
        self._session = session
        self._plan = plan
        self._occurrences: Counter[tuple[int, str, str]] = Counter()
        self._seen: dict[int, list[Seen]] = {}
        self._taken: dict[tuple[str, str], list[str]] = {}  # what is said of it: the tags
        self.monitored: dict[str, float] = {}

    def submit(self, evidence: Evidence, drawn: Sequence[Drawn]) -> None:
        """Hands on what was drawn of one pass; what is wrong with an artifact costs its view."""
        session = self._session
        written: dict[int, list[tuple[View, Artifact]]] = {}
        for callback, view, artifacts in drawn:
            ours = written.setdefault(session.callbacks.index(callback), [])
            with callback.failures.of(view):
                for artifact in artifacts:
                    placed = self._placed(callback, view, artifact)
                    if isinstance(placed, Scalar) and placed.monitored:
                        self._submit_monitored(callback, placed)
                    elif not (isinstance(placed, Scalar) and placed.detail):
                        session.outlet.submit(placed, self._plan.step, callback.sinks)
                    ours.append((view, placed))
            monitoring = any(isinstance(artifact, Scalar) and artifact.monitored for artifact in artifacts)
            session.note_drawn(view, monitoring=monitoring)
        for number, ours in written.items():
            name = session.callbacks[number].tag_prefix.rstrip("/")
            try:
                self._seen.setdefault(number, []).append(look_seen(evidence, ours, name))
            except Exception as error:  # the pictures are written all the same
                session.warn_once(f"a look is missing on the page: {described(error)}", about="the record")

    def _submit_monitored(self, callback: CNNVisualizer, scalar: Scalar) -> None:
        """Leaves a number to Lightning while training; what ``validate()`` and ``test()`` return is the user's own."""
        callback.monitored[scalar.tag] = scalar.value
        if self._session.trainer.state.fn == TrainerFn.FITTING:
            self.monitored[scalar.tag] = scalar.value
        else:
            self._session.outlet.submit(dataclasses.replace(scalar, monitored=False), self._plan.step, callback.sinks)

    def finish(self) -> None:
        """Hands on the record of the look, and tells which tags were taken."""
        self._submit_records()
        for (who, advice), taken in self._taken.items():
            tags = ", ".join(dict.fromkeys(taken))
            self._session.warn_once(f"{who} to {tags}: {advice}", about=f"the tags {tags}")

    def _placed(self, callback: CNNVisualizer, view: View, artifact: Artifact) -> Artifact:
        """An artifact of a view as its callback wants it written, under a tag that no other view writes."""
        _check_artifact(artifact)
        kind, tag = type(artifact).__name__, callback.tag_prefix + artifact.tag
        occurrence = id(view), kind, tag
        self._occurrences[occurrence] += 1
        free = self._session.tags.claim(kind, tag, (id(view), self._occurrences[occurrence]))
        if free != tag:
            in_the_way = self._session.tags.owner(kind, tag)
            self._taken.setdefault(_who_gives_way(callback, view, in_the_way), []).append(free)
        if isinstance(artifact, Picture):
            return dataclasses.replace(
                artifact,
                tag=free,
                format=callback.picture_format,
                style=Style(callback.font, moment(self._plan.epoch)),
                chapter=artifact.chapter or view.chapter,
                description=artifact.description or how_to_read(view),
            )
        return dataclasses.replace(artifact, tag=free)

    def _submit_records(self) -> None:
        """One record for each set of sinks, since all of a look has one step."""
        by_sinks: dict[tuple[int, ...] | None, tuple[Sinks, list[Seen]]] = {}
        for number, ours in self._seen.items():
            sinks = self._session.callbacks[number].sinks
            key = None if sinks is None else tuple(map(id, sinks))
            by_sinks.setdefault(key, (sinks, []))[1].extend(ours)
        for destination, together in by_sinks.values():
            record = Look("record", time.time(), self._plan.epoch, tuple(together))
            self._session.outlet.submit(record, self._plan.step, destination)


def _check_artifact(artifact: object) -> None:
    """Checks what a view gave, so that what is wrong with it costs that view and nobody else.

    Raises:
        TypeError: it is no artifact.
    """
    if not isinstance(artifact, get_args(Artifact)):
        raise TypeError(f"draw() must give pictures, numbers, notes and arrays, got {shown(artifact)}")


def _who_gives_way(callback: CNNVisualizer, view: View, owner: Owner) -> tuple[str, str]:
    """Who writes beside a tag that another view writes under, and what the user can do about it."""
    name = type(callback).__name__
    if any(owner[0] == id(one) for one in callback.views):
        return (
            f"two views of {name} have the same tags, so {view.name} writes",
            "leave one of them out, or put it into a callback of its own with a tag_prefix",
        )
    return f"another callback has the tags of {name}, which therefore writes", "give one of them a tag_prefix"


class Tags:
    """No two views write under one tag: whoever comes second gets a number after it.

    TensorBoard would show the steps of both as one series, or only one of them.
    """

    def __init__(self) -> None:
        self._owners: dict[tuple[str, str], Owner] = {}

    def claim(self, kind: str, tag: str, owner: Owner) -> str:
        """The tag, or the tag with a number if it belongs to another owner.

        Args:
            kind: of artifact; a picture and a note may share a tag.
            tag: what the owner asks for.
            owner: who asks; the same one gets the same answer again.
        """
        number, free = 1, tag
        while self._owners.setdefault((kind, free), owner) != owner:
            number += 1
            free = f"{tag}_{number}"
        return free

    def owner(self, kind: str, tag: str) -> Owner:
        """Who writes under a tag that was claimed."""
        return self._owners[kind, tag]
