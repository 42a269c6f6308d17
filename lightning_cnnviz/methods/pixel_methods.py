"""Ways to say which pixels a score depends on: one table entry each, whatever it is computed of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from lightning_cnnviz.methods.backward_rules import Rule
from lightning_cnnviz.methods.gradients import OnStep, Reduction, Scores, integrated_gradients, smoothgrad

Method: TypeAlias = Literal["gradient", "input_x_gradient", "guided", "deconvnet", "smoothgrad", "integrated_gradients"]
Drawing: TypeAlias = Reduction | Literal["panels"]

_TOLERATED_GAP = 0.05


@dataclass(frozen=True, slots=True)
class Attribution:
    """What a pixel method gives.

    Attributes:
        values: (N, C, H, W) signed.
        remark: what the reader should know about them, if anything.
    """

    values: Tensor
    remark: str | None = None


@dataclass(frozen=True, slots=True)
class PixelOptions:
    """What a method that calls the model may be told.

    Attributes:
        steps: how many versions of each image it may look at.
        noise: standard deviation of noise as a share of each image's range.
        baseline: the image without information, of a shape that broadcasts with the images.
        on_step: called with the versions done and those in all.
    """

    steps: int
    noise: float
    baseline: Tensor
    on_step: OnStep | None = None


@dataclass(frozen=True, slots=True)
class OfGradient:
    """A method made of the ordinary gradient, which costs nothing beside it.

    Attributes:
        title: what pictures call it.
        drawn_as: what is drawn of the signed values unless told otherwise.
        combine: from the gradient of the score and the images, (N, C, H, W) both, to values of that shape.
    """

    title: str
    drawn_as: Drawing
    combine: Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class OfRule:
    """A method whose rule is another backward pass through the same graph.

    Attributes:
        title: what pictures call it.
        drawn_as: as for :class:`OfGradient`.
        rule: see :func:`~lightning_cnnviz.methods.backward_rules.ruled_gradient`.
    """

    title: str
    drawn_as: Drawing
    rule: Rule


@dataclass(frozen=True, slots=True)
class OfScores:
    """A method that calls the model on images of its own.

    Attributes:
        title: what pictures call it.
        drawn_as: as for :class:`OfGradient`.
        attribute: from the scores of versions of the images (:data:`~lightning_cnnviz.methods.gradients.Scores`), the
            images (N, C, H, W) and :class:`PixelOptions` to values of that shape.
        steps: how many versions of each image it looks at unless told otherwise.
    """

    title: str
    drawn_as: Drawing
    attribute: Callable[[Scores, Tensor, PixelOptions], Tensor | Attribution]
    steps: int = 1


PixelMethod: TypeAlias = OfGradient | OfRule | OfScores


def _gradient(gradient: Tensor, images: Tensor) -> Tensor:
    return gradient


def _smoothgrad(scores: Scores, images: Tensor, options: PixelOptions) -> Tensor:
    return smoothgrad(scores, images, noise=options.noise, draws=options.steps, on_step=options.on_step)


def _integrated_gradients(scores: Scores, images: Tensor, options: PixelOptions) -> Attribution:
    found = integrated_gradients(scores, images, options.baseline, steps=options.steps, on_step=options.on_step)
    if not found.gap > _TOLERATED_GAP:  # NaN is no gap that more steps would close
        return Attribution(found.values)
    return Attribution(
        found.values,
        f"with steps={options.steps} the attributions miss the difference of the scores by {found.gap:.0%}; "
        "more steps come closer",
    )


PIXEL_METHODS: dict[str, PixelMethod] = {
    "gradient": OfGradient("gradient of the score", "absolute", _gradient),
    "input_x_gradient": OfGradient("input × gradient", "signed", torch.mul),
    "guided": OfRule("guided backpropagation", "panels", "guided"),
    "deconvnet": OfRule("deconvnet", "panels", "deconvnet"),
    "smoothgrad": OfScores("SmoothGrad", "absolute", _smoothgrad, steps=25),
    "integrated_gradients": OfScores("integrated gradients", "signed", _integrated_gradients, steps=50),
}
"""What ``Saliency(method)`` takes: each :data:`Method`, and what is added to it, for example
``PIXEL_METHODS["mine"] = OfScores("mine", "signed", f)``.
"""
