"""The views on any module, without a Trainer. The callbacks draw through the same :func:`examine`."""

from __future__ import annotations

import base64
import csv
import html
import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from lightning_cnnviz.artifacts import RGB, Array, Artifact, Picture, Scalar
from lightning_cnnviz.costs import Costs
from lightning_cnnviz.encoding import encode
from lightning_cnnviz.evidence import Request
from lightning_cnnviz.layers import Layout
from lightning_cnnviz.probe import Probe
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.sinks import file_path, write_whole
from lightning_cnnviz.targets import Target, check_target
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
) -> Explanation:
    """Looks at a model once and returns what the views found. The model is left as it was, to the bit.

    Args:
        model: takes images (N, C, H, W), returns class scores before softmax.
        samples: the images, as the model takes them; a plain tensor has no labels and no class names.
        views: what to look at; those of :class:`~lightning_cnnviz.CNNVisualizer` if None.
        target: which class score is explained.
        output_key: where the scores are if the model returns a tuple, a mapping or an object; None: found by a common
            name such as ``"logits"``, else the first tensor.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: a view cannot work on this model, or target and samples do not fit together.
    """
    check_target(target)
    if isinstance(samples, Tensor):
        samples = FixedSamples(samples)
    probe = Probe(model, output_key=output_key)
    views = default_views() if views is None else list(views)
    for view in views:
        view.check(model)
    explanation = Explanation()
    for _, artifacts in examine(probe, probe.survey(samples), samples, views, target, failed=_raise):
        for artifact in artifacts:
            explanation.add(artifact)
    return explanation


def examine(
    probe: Probe,
    layout: Layout,
    samples: FixedSamples,
    views: Sequence[View],
    target: Target,
    *,
    failed: Callable[[View, Exception], None],
    shown: int | None = None,
    epoch: int | None = None,
    costs: Costs | None = None,
) -> list[tuple[View, list[Artifact]]]:
    """One look for several views: their requests merged, one pass, and what each drew of it.

    A view that raises is reported to ``failed`` and left out; the others go on. What the shared pass itself raises is
    raised.
    """
    costs = costs or Costs()
    requests: dict[View, Request] = {}
    for view in views:
        try:
            requests[view] = costs.timed(view, view.request(layout, samples))
        except Exception as error:
            failed(view, error)
    merged = Request()
    for request in requests.values():
        merged |= request
    with costs.stage("pass"):
        evidence = probe.look(samples, layout, merged, target, shown=shown, epoch=epoch)
    drawn: list[tuple[View, list[Artifact]]] = []
    for view in requests:
        try:
            with costs.stage("draw", view):
                drawn.append((view, list(view.draw(evidence))))
        except Exception as error:
            failed(view, error)
    return drawn


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
