"""From a target to the one score per sample that is explained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from lightning_cnnviz.arguments import integer, shown
from lightning_cnnviz.model.outputs.readings import Reading

Target: TypeAlias = Literal["predicted", "label"] | int | Sequence[int] | Callable[[Tensor], Tensor]
"""Which score is explained: of the predicted class, of the label, of a fixed class, of one class per sample (also as an
array or tensor), or of what a function makes of the scores (N, classes) - of masks and pictures (N, C, H, W) and
embeddings (N, D) of the output itself -: class indices (N,) or scores (N,)."""

_WHOLE_OUTPUT = ("masks", "reconstruction", "embedding", "nothing")


@dataclass(frozen=True, slots=True)
class Targeted:
    """What is explained, per sample.

    Attributes:
        scores: (N,) differentiable scores, before softmax.
        classes: (N,) the class of each score; None when a function gave scores of no one class.
    """

    scores: Tensor
    classes: Tensor | None


def chosen_targets(target: Target, indices: Sequence[int]) -> Target:
    """The target of some of the samples.

    Raises:
        ValueError: it has fewer classes than there are samples.
    """
    if callable(target) or np.ndim(target) == 0:  # also a number of NumPy
        return target
    classes: Any = target
    if max(indices, default=-1) >= len(classes):
        raise ValueError(f"target={shown(target)}: there must be one class per sample, got {len(classes)}")
    return [int(classes[index]) for index in indices]


def target_scores(output: Tensor, reading: Reading, target: Target, labels: Tensor | None) -> Targeted:
    """One score per sample for a target.

    Args:
        output: the tensor of scores in what the model returned.
        reading: how it is read.
        target: see :data:`Target`.
        labels: (N,) true classes, needed for ``"label"``.

    Raises:
        TypeError: a function returned no tensor.
        ValueError: the output has no scores, labels are missing, a class is out of range, or there are not as many
            classes as samples.
    """
    if callable(target):
        chosen = target(output if reading.meaning in _WHOLE_OUTPUT else reading.scores(output))
        if not isinstance(chosen, Tensor):
            raise TypeError(f"target returned {type(chosen).__name__}, allowed is a tensor of classes or of scores")
        if chosen.shape != output.shape[:1]:
            raise ValueError(f"target returned the shape {tuple(chosen.shape)}, allowed is ({len(output)},)")
        if chosen.is_floating_point():
            return Targeted(chosen, None)
        classes = chosen
    elif isinstance(target, str) and target == "predicted":
        classes = reading.predicted(output)
    else:
        classes = fixed_classes(target, len(output), labels)
    return of_classes(reading.scores(output), classes)


def of_classes(scores: Tensor, classes: Tensor) -> Targeted:
    """The scores (N, classes) of one class per sample (N,).

    Raises:
        ValueError: a class is out of range.
    """
    classes = classes.to(scores.device)
    check_range(classes, scores.shape[1])
    return Targeted(scores.gather(1, classes[:, None])[:, 0], classes)


def fixed_classes(target: Any, samples: int, labels: Tensor | None) -> Tensor:
    """One class per sample (N,) of a target that does not depend on the scores.

    Raises:
        ValueError: labels are missing, or there are not as many classes as samples.
    """
    if isinstance(target, str):
        if labels is None:
            raise ValueError("target='label' needs labelled samples, and these have no labels")
        return labels
    classes = torch.as_tensor(target).long()
    if classes.ndim == 0:
        return classes.expand(samples)
    if classes.shape != (samples,):
        raise ValueError(f"target has {len(classes)} classes for {samples} samples")
    return classes


def check_range(classes: Tensor, count: int) -> None:
    """Checks class indices.

    Raises:
        ValueError: one is out of range.
    """
    if bool((classes < 0).any()) or bool((classes >= count).any()):
        raise ValueError(f"target asks for classes {classes.tolist()}, the model has classes 0 to {count - 1}")


def check_target(target: object) -> None:
    """Checks a target before there are any scores.

    Raises:
        TypeError: it is of no allowed kind.
        ValueError: it is an unknown word or a negative class.
    """
    if callable(target):
        return
    if isinstance(target, str):
        if target in ("predicted", "label"):
            return
        raise ValueError(
            f"target={shown(target)}: allowed are 'predicted', 'label', a class index, one per sample, or a function"
        )
    given = target.tolist() if isinstance(target, (Tensor, np.ndarray, np.generic)) else target
    classes = list(given) if isinstance(given, Sequence) and not isinstance(given, bytes) else [given]
    if not classes:
        raise ValueError(f"target={shown(target)}: allowed is one class per sample, got none")
    try:
        for entry in classes:
            integer("target", entry.item() if isinstance(entry, Tensor) else entry, least=0)
    except TypeError:
        raise TypeError(f"target={shown(target)}: classes are integers") from None
    except ValueError:
        raise ValueError(f"target={shown(target)}: classes count from 0") from None
