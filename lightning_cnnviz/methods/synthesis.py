"""Inputs found by optimisation: what the model takes each class to be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_cnnviz.methods.gradients import input_gradient

Optimizer: TypeAlias = Literal["lbfgs", "adam"]
DEFAULT_STEPS: dict[Optimizer, int] = {"lbfgs": 50, "adam": 1000}
_ADAM_RATE = 0.05


@dataclass(frozen=True, slots=True)
class Prototypes:
    """Optimised inputs and what they cost, class by class.

    Attributes:
        images: (K, C, H, W) in the model's input space.
        cross_entropy: (K,) of the class, in nats.
        regularizer: (K,) mean squared distance to the class mean, not yet multiplied by its factor.
        cost: (K,) cross-entropy + factor times regulariser.
        evaluations: how often the model was called.
        unmoved: (K,) whether it still is the class mean, to the bit, because the score has no gradient there.
    """

    images: Tensor
    cross_entropy: Tensor
    regularizer: Tensor
    cost: Tensor
    evaluations: int
    unmoved: Tensor


def class_prototypes(
    scores: Callable[[Tensor], Tensor],
    classes: Tensor,
    means: Tensor,
    *,
    start: Tensor | None = None,
    regularization: float = 0.1,
    optimizer: Optimizer = "lbfgs",
    steps: int | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Prototypes:
    """For each class the input that minimises cross-entropy(class) + regularization · mean((x − class mean)²).

    All classes are optimised as one batch. L-BFGS with a strong Wolfe line search reaches in tens of evaluations what
    Adam reaches in thousands of steps, because the cost is smooth and close to quadratic around the class mean.

    Args:
        scores: from images (K, C, H, W) to class scores (K, classes), or the logarithms of their probabilities,
            differentiable; only the images are ever optimised.
        classes: (K,) the class of each prototype.
        means: (K, C, H, W) the images to stay close to, in the model's input space.
        start: (K, C, H, W) where to begin; the means if None.
        regularization: factor of the squared distance.
        optimizer: ``"lbfgs"`` or ``"adam"``.
        steps: most iterations; 50 of L-BFGS, 1000 of Adam if None.
        on_step: called with the evaluations done and an estimate of those in all.

    Raises:
        ValueError: the probabilities do not depend on the images in a differentiable way.

    Source: the activation maximisation of Montavon et al., "Methods for interpreting and understanding deep neural
    networks", 2018, section 3.
    """
    most = DEFAULT_STEPS[optimizer] if steps is None else steps
    images = (means if start is None else start).detach().clone().requires_grad_()
    evaluations = 0

    def parts() -> tuple[Tensor, Tensor]:
        cross_entropy = F.cross_entropy(scores(images), classes, reduction="none")
        return cross_entropy.to(images.dtype), (images - means).square().flatten(1).mean(dim=1)

    # The distance alone would pull every image to its class mean, and nobody would know.
    first = scores(images)
    input_gradient(first[:, 0].sum(), images, "a class score")
    if bool(first.isnan().any()):  # of which nothing can be optimized: L-BFGS would end in an error
        most = 0

    def closure() -> Tensor:
        nonlocal evaluations
        cross_entropy, distance = parts()
        cost = (cross_entropy + regularization * distance).sum()
        images.grad = torch.autograd.grad(cost, images)[0]  # not backward(): the model's own gradients stay
        evaluations += 1
        if on_step is not None:
            on_step(min(evaluations, most), most)
        return cost.detach()

    if optimizer == "lbfgs":
        # Tolerances below float32's resolution of the cost: stop where nothing improves any more, not before.
        torch.optim.LBFGS(
            [images],
            max_iter=most,
            max_eval=max(1, 3 * most),
            tolerance_grad=1e-8,
            tolerance_change=1e-10,
            line_search_fn="strong_wolfe",
        ).step(closure)
    else:
        adam = torch.optim.Adam([images], lr=_ADAM_RATE)
        for _ in range(most):
            adam.step(closure)
    with torch.no_grad():
        cross_entropy, distance = parts()
    cost, found = cross_entropy + regularization * distance, images.detach()
    unmoved = (found == means).flatten(1).all(dim=1)
    return Prototypes(found, cross_entropy, distance, cost, evaluations + 2, unmoved)
