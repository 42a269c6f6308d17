"""The views on any module, without a Trainer."""

from __future__ import annotations

import base64
import csv
import html
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from lightning_cnnviz.look import check_classes, check_views, run_views
from lightning_cnnviz.model.probe import Probe
from lightning_cnnviz.model.targets import Target, check_target
from lightning_cnnviz.output.artifacts import RGB, Array, Artifact, Picture, Scalar, Style
from lightning_cnnviz.output.encoding import encode
from lightning_cnnviz.output.sinks import file_path, write_whole
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views import View, default_views


@dataclass
class Explanation:
    """What the views found.

    Attributes:
        pictures: tag to picture, (H, W, 3) uint8 RGB.
        arrays: tag to the values behind the picture, float32 on the CPU.
        scalars: tag to number.
        notes: tag to text in Markdown.
        remarks: what a reader should know, such as maps that are blank.
    """

    pictures: dict[str, RGB] = field(default_factory=dict)
    arrays: dict[str, Tensor] = field(default_factory=dict)
    scalars: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Writes everything below a directory, which is made if missing; files of the same names are replaced.

        The parts of a tag are folders: ``grad_cam/layer4.png`` is a picture, ``grad_cam/layer4.npy`` the values behind
        it. Numbers go to ``scalars.csv`` with the columns tag and value, a note to ``<tag>.md``.
        """
        folder = Path(directory)
        for tag, image in self.pictures.items():
            write_whole(file_path(folder, tag, ".png"), encode(image))
        for tag, values in self.arrays.items():
            write_whole(file_path(folder, tag, ".npy"), _npy(values))
        for tag, text in self.notes.items():
            write_whole(file_path(folder, tag, ".md"), text.encode())
        if self.scalars:
            write_whole(folder / "scalars.csv", _csv([("tag", "value"), *self.scalars.items()]))

    def add(self, artifact: Artifact) -> None:
        """Takes in what a view drew."""
        if isinstance(artifact, Picture):
            self.pictures[artifact.tag] = artifact.image
            self.remarks += artifact.remarks
        elif isinstance(artifact, Array):
            self.arrays[artifact.tag] = artifact.values
        elif isinstance(artifact, Scalar):
            self.scalars[artifact.tag] = artifact.value
        else:
            self.notes[artifact.tag] = artifact.text
            self.remarks += artifact.remarks

    def _repr_html_(self) -> str:
        """Shows pictures, numbers, notes and remarks in a notebook."""
        blocks = [
            f"<h4>{html.escape(tag)}</h4><img style='max-width:100%' src='data:image/png;base64,{_png_base64(image)}'>"
            for tag, image in self.pictures.items()
        ]
        if self.scalars:
            rows = (f"<tr><td>{html.escape(tag)}</td><td>{value:.4g}</td></tr>" for tag, value in self.scalars.items())
            blocks.append(f"<table>{''.join(rows)}</table>")
        blocks += [f"<h4>{html.escape(tag)}</h4><pre>{html.escape(text)}</pre>" for tag, text in self.notes.items()]
        blocks += [f"<p>{html.escape(remark)}</p>" for remark in self.remarks]
        return "".join(blocks)


def explain(
    model: nn.Module,
    samples: FixedSamples | Tensor,
    views: Sequence[View] | None = None,
    *,
    target: Target = "predicted",
    output_key: int | str | None = None,
    font: str | None = None,
) -> Explanation:
    """Looks at a model once and returns what the views found. The model is left as it was, to the bit.

    Args:
        model: takes images (N, C, H, W), returns class scores before softmax.
        samples: the images, as the model takes them; a plain tensor has no labels and no class names.
        views: what to look at; those of :class:`~lightning_cnnviz.CNNVisualizer` if None.
        target: which class score is explained.
        output_key: where the scores are if the model returns a tuple, a mapping or an object; None: found by a common
            name such as ``"logits"``, else the first tensor.
        font: the path of a font file for scripts that the installed fonts lack; None: what is installed.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: a view cannot work on this model, or target and samples do not fit together.
    """
    check_target(target)
    check_views(views)
    if isinstance(samples, Tensor):
        samples = FixedSamples(samples)
    probe = Probe(model, output_key=output_key)
    views = default_views() if views is None else list(views)
    for view in views:
        view.check(model)
    layout = probe.survey(samples)
    check_classes(layout, samples, target)
    explanation = Explanation()
    for _, artifacts in run_views(probe, layout, samples, views, target, failed=_raise):
        for artifact in artifacts:
            explanation.add(replace(artifact, style=Style(font)) if isinstance(artifact, Picture) else artifact)
    return explanation


def _raise(view: View, error: Exception) -> None:
    raise error


def _png_base64(image: RGB) -> str:
    return base64.b64encode(encode(image)).decode()


def _npy(values: Tensor) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values.numpy())
    return buffer.getvalue()


def _csv(rows: Sequence[Sequence[object]]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue().encode()
