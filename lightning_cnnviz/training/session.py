"""What all callbacks on one Trainer share: the shared look, the surveyed model, and the writer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from lightning_cnnviz.look import run_views
from lightning_cnnviz.model.layers import Layout
from lightning_cnnviz.model.probe import Probe, Progress
from lightning_cnnviz.model.sharded import ProbeInStep
from lightning_cnnviz.model.targets import Target
from lightning_cnnviz.output.artifacts import Artifact, Note, Picture, PictureFormat, Scalar
from lightning_cnnviz.output.sinks import Sink, TensorBoardSink, tensorboard_experiments
from lightning_cnnviz.output.writer import BackgroundWriter
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.training.costs import Costs
from lightning_cnnviz.training.progress import ProgressBar
from lightning_cnnviz.training.ranks import Ranks
from lightning_cnnviz.views import View


@dataclass(frozen=True)
class Assignment:
    """What one callback wants from a look.

    Attributes:
        samples: the images.
        views: those that are due.
        target: which class score is explained.
        output_key: where the scores are in the model's output.
        shown: how many samples are drawn.
        tag_prefix: put before every tag.
        picture_format: how pictures are stored.
        failed: told which views failed and why; raises if the run is to end.
    """

    samples: FixedSamples
    views: Sequence[View]
    target: Target
    output_key: int | str | None
    shown: int
    tag_prefix: str
    picture_format: PictureFormat
    failed: Callable[[Sequence[View], Exception], None]

    def adopt(self, artifact: Artifact) -> Artifact:
        """An artifact of one of the views as this callback wants it written."""
        tag = self.tag_prefix + artifact.tag
        if isinstance(artifact, Picture):
            return dataclasses.replace(artifact, tag=tag, format=self.picture_format)
        return dataclasses.replace(artifact, tag=tag)

    @property
    def pass_key(self) -> tuple[object, ...]:
        """Assignments with the same key are answered by the same pass."""
        target = self.target if callable(self.target) else repr(self.target)
        return id(self.samples), target, self.output_key, self.shown


class Session:
    """One run of a Trainer, as all our callbacks on it see it.

    Args:
        trainer: the Trainer; only its loggers and its progress bar are used.
        say: tells the user something that matters once.
        warn: warns the user.

    Attributes:
        costs: what the looks cost.
        ranks: the processes that the run is spread over.
        last_steps: the last step written of each tag.
        last_step: the step of the last look, -1 before there was any.
    """

    def __init__(self, trainer: Any, say: Callable[[str], None], warn: Callable[[str], None]) -> None:
        self.trainer = trainer
        self.ranks = Ranks(trainer.strategy)
        self._print, self._warn = say, warn
        self._said: set[str] = set()
        self._layouts: dict[tuple[int, int | str | None], Layout] = {}
        self._writer: BackgroundWriter | None = None
        self._has_sinks = False
        self._reported_dropped = False
        self.costs = Costs()
        self.last_steps: dict[str, int] = {}
        self.last_step = -1

    @property
    def has_sinks(self) -> bool:
        """Whether there is anywhere to write to; says so once if not."""
        if self._writer is None:
            sinks = self._find_sinks()
            self._has_sinks = bool(sinks)
            self._writer = BackgroundWriter(sinks)
            self._writer.last_steps.update(self.last_steps)
            self.last_steps = self._writer.last_steps
        return self._has_sinks

    def say(self, text: str, *, about: str | None = None) -> None:
        """Tells the user something once; again only if it is about something else."""
        subject = text if about is None else about
        if subject not in self._said:
            self._said.add(subject)
            self._print(text)

    def note(self, tag: str, text: str, step: int) -> None:
        """Writes a note beside the pictures of a step, and tells the user once."""
        self.say(text)
        self._submit(Note(tag, text), step)

    def survey(self, model: nn.Module, assignment: Assignment) -> Layout:
        """The model's layers; found once and kept."""
        key = (id(assignment.samples), assignment.output_key)
        if key not in self._layouts:
            self._layouts[key] = self._probe(model, assignment).survey(assignment.samples)
        return self._layouts[key]

    def run_look(
        self, model: nn.Module, assignments: Iterable[Assignment], step: int, epoch: int | None
    ) -> dict[str, float]:
        """Looks at the model once for all assignments that can share a pass, and hands what was drawn to the writer.

        Returns:
            The numbers that Lightning is to log, by tag; they are not written here.
        """
        with self.costs.look():
            monitored = self._look_by_group(model, assignments, step, epoch)
        for scalar in self.costs.scalars():
            self._submit(scalar, step)
        self.last_step = step
        if self._writer is not None:
            self._writer.flush(timeout=0)
        self._report_writer()
        return monitored

    def _look_by_group(
        self, model: nn.Module, assignments: Iterable[Assignment], step: int, epoch: int | None
    ) -> dict[str, float]:
        monitored: dict[str, float] = {}
        groups: dict[tuple[object, ...], list[Assignment]] = {}
        for assignment in assignments:
            groups.setdefault(assignment.pass_key, []).append(assignment)
        for group in groups.values():
            artifacts = self._look(model, group, epoch)
            with self.costs.stage("write"):
                for artifact in artifacts:
                    if isinstance(artifact, Scalar) and artifact.monitored:
                        monitored[artifact.tag] = artifact.value
                    else:
                        self._submit(artifact, step)
        return monitored

    def close(self) -> None:
        """Waits until everything is written and ends the writer's thread."""
        self.ranks.close()
        if self._writer is not None:
            self._writer.close()
            self._report_writer()

    def _look(self, model: nn.Module, group: list[Assignment], epoch: int | None) -> list[Artifact]:
        first, owners = group[0], {view: assignment for assignment in group for view in assignment.views}
        progress = ProgressBar(self.trainer.progress_bar_callback)
        probe = self._probe(model, first, progress.update)
        try:
            drawn = run_views(
                probe,
                self.survey(model, first),
                first.samples,
                list(owners),
                first.target,
                shown=first.shown,
                epoch=epoch,
                meter=self.costs,
                failed=lambda view, error: owners[view].failed([view], error),
            )
        except Exception as error:
            for assignment in group:
                assignment.failed(assignment.views, error)
            return []
        finally:
            progress.close()
        return [owners[view].adopt(artifact) for view, artifacts in drawn for artifact in artifacts]

    def _probe(self, model: nn.Module, assignment: Assignment, progress: Progress | None = None) -> Probe:
        if self.ranks.sharded:
            return ProbeInStep(model, self.ranks, output_key=assignment.output_key, progress=progress)
        return Probe(model, output_key=assignment.output_key, progress=progress)

    def _submit(self, artifact: Artifact, step: int) -> None:
        if isinstance(artifact, (Picture, Note)):
            for remark in artifact.remarks:
                self.say(remark, about=remark.partition(":")[0])
        if self.ranks.is_main and self.has_sinks and self._writer is not None:
            self._writer.submit(artifact, step)

    def _find_sinks(self) -> list[Sink]:
        try:
            sinks: list[Sink] = [
                TensorBoardSink(experiment) for experiment in tensorboard_experiments(self.trainer.loggers)
            ]
        except OSError as error:
            self._warn(f"nothing will be drawn: the TensorBoard logger cannot write: {error}")
            return []
        if not sinks:
            self._warn("nothing will be drawn: the Trainer has no TensorBoardLogger")
        return sinks

    def _report_writer(self) -> None:
        if self._writer is None:
            return
        for error in self._writer.take_errors():
            self._warn(str(error))
        if self._writer.dropped and not self._reported_dropped:
            self._reported_dropped = True
            self._warn(
                f"{self._writer.dropped} pictures or numbers were left out, because the disk is slower than they are "
                "drawn; there may be more. Draw fewer, or less often with every_n_epochs"
            )
