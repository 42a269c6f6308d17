"""The views on any module, without a Trainer."""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import Tensor, nn

from lightning_cnnviz.arguments import instance, integer
from lightning_cnnviz.fields import check_fields
from lightning_cnnviz.look import check_classes, check_views, look_at, run_views
from lightning_cnnviz.model.entry import Forward
from lightning_cnnviz.model.outputs.readings import OutputKind
from lightning_cnnviz.model.probe import Probe
from lightning_cnnviz.model.survey.known import survey_once
from lightning_cnnviz.model.targets import Target, check_target
from lightning_cnnviz.output.artifacts import RGB, Array, Artifact, DrawingError, Look, Note, Picture, Scalar, Style
from lightning_cnnviz.output.disk import write_whole
from lightning_cnnviz.output.encoding import encode
from lightning_cnnviz.output.files import write_file, write_table
from lightning_cnnviz.output.run_report import REPORT, report_of
from lightning_cnnviz.output.sink import Sink, check_sink, encodable, kinds_taken
from lightning_cnnviz.render.fonts import missing_glyphs_remark
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views import View, default_views
from lightning_cnnviz.views.base import check_font


@dataclass
class Explanation:
    """What the views found.

    Attributes:
        pictures: tag to picture, (H, W, 3) uint8 RGB.
        arrays: tag to the values behind the picture, float32 on the CPU.
        scalars: tag to number.
        notes: tag to text in Markdown.
        remarks: what a reader should know, such as maps that are blank.
        looks: what all of it is drawn from, by the name of the model; see ``report.html`` in :meth:`save`.
    """

    pictures: dict[str, RGB] = field(default_factory=dict)
    arrays: dict[str, Tensor] = field(default_factory=dict)
    scalars: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    looks: dict[str, Look] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        check_fields(self)

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Writes everything below a directory, which is made if missing; files of the same names are replaced.

        The parts of a tag are folders: ``grad_cam/layer4.png`` is a picture, ``grad_cam/layer4.npy`` the values behind
        it. Numbers go to ``scalars.csv`` with the columns tag and value, a note to ``<tag>.md``. ``report.html`` shows
        maps, answers and notes on one page, to be opened from the disk.
        """
        instance("directory", directory, (str, os.PathLike), "a path")
        folder = Path(directory)
        for artifact in self.artifacts():
            if not isinstance(artifact, (Scalar, Look)):
                write_file(folder, artifact)
        if self.scalars:
            write_table(folder / "scalars.csv", [("tag", "value"), *self.scalars.items()])
        page, _ = self._on_page()
        if page:
            write_whole(folder / REPORT, page)

    def write(self, sink: Sink, step: int) -> None:
        """Writes everything that a sink takes, for a training loop without a Trainer.

        Args:
            sink: a :class:`~lightning_cnnviz.FileSink`, or any other.
            step: how far training has come.

        Raises:
            OSError: or whatever else the sink raises.
        """
        check_sink("sink must be one", sink)
        integer("step", step)
        for artifact in self.artifacts():
            if isinstance(artifact, kinds_taken(sink)):
                sink.write(artifact, step)
        sink.flush()

    def artifacts(self) -> Iterator[Artifact]:
        """Everything found, as sinks take it."""
        found: list[Artifact] = [
            *(Picture(tag, image) for tag, image in self.pictures.items()),
            *(Array(tag, values) for tag, values in self.arrays.items()),
            *(Scalar(tag, value) for tag, value in self.scalars.items()),
            *(Note(tag, text) for tag, text in self.notes.items()),
            *list(self.looks.values())[-1:],
        ]
        return map(encodable, found)

    def add(self, artifact: Artifact) -> None:
        """Takes in what a view drew."""
        if isinstance(artifact, Picture):
            self.pictures[artifact.tag] = artifact.image
            for remark in artifact.remarks:
                self.say(remark)
        elif isinstance(artifact, Array):
            self.arrays[artifact.tag] = artifact.values
        elif isinstance(artifact, Scalar):
            self.scalars[artifact.tag] = artifact.value
        elif isinstance(artifact, Note):
            self.notes[artifact.tag] = artifact.text
            for remark in artifact.remarks:
                self.say(remark)

    def picture_sources(self) -> Iterator[tuple[str, str]]:
        """Tag and picture as a page holds it, ``data:image/png;base64,…``."""
        for tag, image in self.pictures.items():
            yield tag, f"data:image/png;base64,{_png_base64(image)}"

    def say(self, remark: str) -> None:
        """Takes in a remark, once."""
        if remark not in self.remarks:
            self.remarks.append(remark)

    def _repr_html_(self) -> str:
        """Shows the page in a notebook, and below it numbers, notes, remarks, and pictures that the page lacks."""
        page, shown = self._on_page()
        blocks = [_framed(page)] if page else []
        blocks += [
            f"<h4>{html.escape(tag)}</h4><img style='max-width:100%' src='{source}'>"
            for tag, source in self.picture_sources()
            if tag not in shown
        ]
        if self.scalars:
            rows = (f"<tr><td>{html.escape(tag)}</td><td>{value:.4g}</td></tr>" for tag, value in self.scalars.items())
            blocks.append(f"<table>{''.join(rows)}</table>")
        blocks += [f"<h4>{html.escape(tag)}</h4><pre>{html.escape(text)}</pre>" for tag, text in self.notes.items()]
        blocks += [f"<p>{html.escape(remark)}</p>" for remark in self.remarks]
        return "".join(blocks)

    def _on_page(self) -> tuple[bytes, set[str]]:
        """The page, and the tags of the pictures that it shows; none if something in them cannot be shown on it."""
        if self.looks:
            with suppress(DrawingError):
                return report_of(self.looks)
        return b"", set()


def explain(
    model: nn.Module,
    samples: FixedSamples | Tensor,
    views: Sequence[View] | None = None,
    *,
    target: Target = "predicted",
    output_key: int | str | None = None,
    output: OutputKind = "auto",
    forward: Forward | None = None,
    font: str | None = None,
) -> Explanation:
    """Looks at a model once and returns what the views found. The model is left as it was, to the bit.

    Args:
        model: takes images (N, C, H, W), returns class scores before softmax.
        samples: the images, as the model takes them; a plain tensor has no labels and no class names.
        views: what to look at; those of :class:`~lightning_cnnviz.CNNVisualizer` if None, and a remark for each of them
            that cannot work on this model.
        target: which class score is explained.
        output_key: where the scores are if the model returns a tuple, a mapping or an object, ``"a.b"`` in nested ones;
            None: found by the number of classes, a common name such as ``"logits"``, else the first tensor.
        output: what the scores are: ``"logits"`` or ``"probabilities"`` of classes of which one is true,
            ``"multilabel"`` for independent ones, ``"regression"`` for values, ``"embedding"`` for places whose
            distances alone mean something; ``"auto"``: what model and samples tell.
        forward: what to call if not the model itself: the name of a module of it, or a function of the images (N, C, H,
            W), or of the model and the images.
        font: the path of a font file for scripts that the installed fonts lack; None: what is installed.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: a view that was named cannot work on this model, target and samples do not fit together, or ``font``
            is no font file.
    """
    check_target(target)
    check_views(views)
    check_font(font)
    samples = as_samples(samples)
    instance("model", model, nn.Module, "a torch.nn.Module")
    probe = Probe(model, output_key=output_key, output=output, forward=forward)
    explanation = Explanation()
    unreadable = missing_glyphs_remark(samples.class_names, font)
    if unreadable is not None:
        explanation.say(unreadable)

    def failed(view: View, error: Exception) -> None:
        if views is not None:
            raise error
        explanation.say(f"{view.name} is left out: {error}")

    chosen = []
    for view in default_views() if views is None else views:
        try:
            view.check(probe.model)
            chosen.append(view)
        except ValueError as error:
            failed(view, error)
    layout = survey_once(probe, samples, (output_key, output, forward))
    check_classes(layout, samples, target)
    evidence, drawn = run_views(probe, layout, samples, chosen, target, failed=failed, say=explanation.say)
    for _, artifacts in drawn:
        for artifact in artifacts:
            explanation.add(replace(artifact, style=Style(font)) if isinstance(artifact, Picture) else artifact)
    explanation.looks[type(model).__name__] = look_at(
        evidence, [(view, artifact) for view, artifacts in drawn for artifact in artifacts]
    )
    return explanation


def as_samples(samples: FixedSamples | Tensor, name: str = "samples") -> FixedSamples:
    """Samples, also of images without anything else.

    Raises:
        TypeError: they are neither.
        ValueError: the images are not (N, C, H, W).
    """
    if isinstance(samples, FixedSamples):
        return samples
    instance(name, samples, Tensor, "FixedSamples or a tensor of images (N, C, H, W)")
    try:
        return FixedSamples(samples)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from None


def _framed(page: bytes) -> str:
    """The page in a frame, without the right to reach the notebook around it."""
    style = "width:100%;height:640px;border:1px solid #8888"
    return f'<iframe sandbox="allow-scripts" style="{style}" srcdoc="{html.escape(page.decode())}"></iframe>'


def _png_base64(image: RGB) -> str:
    return base64.b64encode(encode(image)).decode()
