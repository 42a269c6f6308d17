"""The views on any module, without a Trainer. The callbacks draw through the same :func:`examine`."""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
from torch import Tensor, nn

from lightning_cnnviz.artifacts import RGB, Array, Artifact, Note, Picture, Scalar
from lightning_cnnviz.evidence import Request
from lightning_cnnviz.layers import Layout
from lightning_cnnviz.probe import Probe
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.sinks import FileSink
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
        """Writes pictures as PNG, numbers as CSV and notes as Markdown below a directory, which is made if missing."""
        sink = FileSink(directory)
        artifacts: list[Artifact] = [Picture(tag, image) for tag, image in self.pictures.items()]
        artifacts += [Scalar(tag, value) for tag, value in self.scalars.items()]
        artifacts += [Note(tag, text) for tag, text in self.notes.items()]
        for artifact in artifacts:
            sink.write(artifact, 0)
        sink.flush()

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

    def _repr_html_(self) -> str:
        """Shows the pictures in a notebook."""
        return "".join(
            f"<h4>{html.escape(tag)}</h4><img style='max-width:100%' src='data:image/png;base64,{_png_base64(image)}'>"
            for tag, image in self.pictures.items()
        )


def explain(
    model: nn.Module,
    samples: FixedSamples | Tensor,
    views: Sequence[View] | None = None,
    *,
    target: Target = "predicted",
) -> Explanation:
    """Looks at a model once and returns what the views found. The model is left as it was, to the bit.

    Args:
        model: takes images (N, C, H, W), returns class scores before softmax.
        samples: the images, as the model takes them; a plain tensor has no labels and no class names.
        views: what to look at; those of :class:`~lightning_cnnviz.CNNVisualizer` if None.
        target: which class score is explained.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: a view cannot work on this model, or target and samples do not fit together.
    """
    check_target(target)
    if isinstance(samples, Tensor):
        samples = FixedSamples(samples)
    probe = Probe(model)
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
) -> list[tuple[View, list[Artifact]]]:
    """One look for several views: their requests merged, one pass, and what each drew of it.

    A view that raises is reported to ``failed`` and left out; the others go on. What the shared pass itself raises is
    raised.
    """
    requests: dict[View, Request] = {}
    for view in views:
        try:
            requests[view] = view.request(layout, samples)
        except Exception as error:
            failed(view, error)
    merged = Request()
    for request in requests.values():
        merged |= request
    evidence = probe.look(samples, layout, merged, target, shown=shown)
    drawn: list[tuple[View, list[Artifact]]] = []
    for view in requests:
        try:
            drawn.append((view, list(view.draw(evidence))))
        except Exception as error:
            failed(view, error)
    return drawn


def _raise(view: View, error: Exception) -> None:
    raise error


def _png_base64(image: RGB) -> str:
    return base64.b64encode(cv2.imencode(".png", image[..., ::-1])[1].tobytes()).decode()
