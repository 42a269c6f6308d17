"""From what a model returns to class scores, and from a target to the one score per sample that is explained."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

Target: TypeAlias = Literal["predicted", "label"] | int | Sequence[int] | Callable[[Tensor], Tensor]
"""Which score is explained: of the predicted class, of the label, of a fixed class, of one class per sample, or
of what a function makes of the scores (N, classes): class indices (N,) or scores (N,)."""

Outputs: TypeAlias = Literal["logits", "log_softmax", "softmax", "sigmoid"]
"""What a model returns for its classes."""

_ADVICE = "return scores before that for maps that do not fade where the model is sure"
_COMMON_KEYS = ("logits", "out", "output", "outputs", "pred", "preds", "prediction", "y_hat")


def select_output(output: Any, key: int | str | None = None) -> Tensor:
    """The tensor of class scores in what a model returned.

    Args:
        output: a tensor, or a tuple, mapping or object with attributes that holds it.
        key: where it is; None: the tensor itself, a common name such as ``"logits"``, or the first tensor that is not a
            single number such as a loss. That is the main output where auxiliary ones follow it.

    Raises:
        ValueError: there is nothing under ``key``, or no tensor at all.
    """
    if key is not None:
        found = _entry(output, key)
        if not isinstance(found, Tensor):
            raise ValueError(f"output_key={key!r} finds no tensor in the model's output: {_describe(output)}")
        return found
    if isinstance(output, Tensor):
        return output
    for name in _COMMON_KEYS:
        found = _entry(output, name)
        if isinstance(found, Tensor):
            return found
    for found in _members(output):
        if isinstance(found, Tensor) and found.ndim > 0:
            return found
    raise ValueError(f"the model's output holds no class scores: {_describe(output)}; name them with output_key")


def _entry(output: Any, key: int | str) -> Any:
    if isinstance(output, Mapping):
        return output.get(key)
    if isinstance(key, str):
        return getattr(output, key, None)
    return output[key] if isinstance(output, Sequence) and -len(output) <= key < len(output) else None


def _members(output: Any) -> list[Any]:
    if isinstance(output, Mapping):
        return list(output.values())
    if isinstance(output, Sequence):
        return list(output)
    if dataclasses.is_dataclass(output):
        return [getattr(output, field.name) for field in dataclasses.fields(output)]
    return []


def _describe(output: Any) -> str:
    if isinstance(output, Mapping):
        return f"{type(output).__name__} with keys {list(output)}"
    return f"{type(output).__name__} of {[type(member).__name__ for member in _members(output)]}"


def class_scores(output: Tensor, samples: int) -> Tensor:
    """Class scores of shape (N, classes) from an output tensor.

    One score per sample, as (N,) or (N, 1), is a binary logit: class 1 has that score and class 0 its negative. A dense
    output (N, classes, H, W) is averaged over its positions.

    Raises:
        ValueError: the output is nothing of this kind.
    """
    scores = _one_row_per_sample(output, samples)
    return torch.cat([-scores, scores], dim=1) if scores.shape[1] == 1 else scores


def probabilities(output: Tensor, samples: int, outputs: Outputs = "logits") -> tuple[Tensor, str | None]:
    """Probabilities (N, classes) for display, and a remark when the output was no plain logits.

    Args:
        output: see :func:`class_scores`.
        samples: N.
        outputs: what the model is known to return. Results of a softmax are recognised by their sum, too; those of a
            sigmoid are not, and the probabilities of several labels need not sum to one.

    >>> probabilities(torch.tensor([[0.2, 0.9]]), samples=1, outputs="sigmoid")[0]
    tensor([[0.2000, 0.9000]])
    """
    tolerance = max(1e-3, 4 * torch.finfo(output.dtype).eps)
    scores = _one_row_per_sample(output.detach().float(), samples)
    if scores.shape[1] == 1:
        known = outputs == "sigmoid"
        positive = scores if known else scores.sigmoid()
        read_as = f"probability of class 1; {_ADVICE}" if known else "logit of class 1 against class 0"
        return torch.cat([1 - positive, positive], dim=1), f"one score per sample: read as the {read_as}"
    if outputs == "sigmoid":
        return scores, f"the outputs already are probabilities, one for each label: shown as they are; {_ADVICE}"
    if _sum_to_one(scores, tolerance):
        return scores, f"the outputs already are probabilities: shown as they are; {_ADVICE}"
    if bool((scores <= 0).all()) and _sum_to_one(scores.exp(), tolerance):
        return scores.exp(), "the outputs already are log-probabilities: shown as their exponentials"
    return scores.softmax(dim=1), None


def _one_row_per_sample(output: Tensor, samples: int) -> Tensor:
    if output.ndim == 0 or output.shape[0] != samples or output.ndim == 3 or output.ndim > 4:
        raise ValueError(
            f"the model's output has the shape {tuple(output.shape)} for {samples} images; "
            "allowed are (N, classes), (N, 1), (N,) and (N, classes, H, W); output_key names another part of the output"
        )
    if output.ndim == 4:
        output = output.mean(dim=(2, 3))
    return output[:, None] if output.ndim == 1 else output


def _sum_to_one(values: Tensor, tolerance: float) -> bool:
    return bool((values >= 0).all() and ((values.sum(dim=1) - 1).abs() <= tolerance).all())


@dataclass(frozen=True, slots=True)
class Targeted:
    """What is explained, per sample.

    Attributes:
        scores: (N,) differentiable scores, before softmax.
        classes: (N,) the class of each score; None when a function gave scores of no one class.
    """

    scores: Tensor
    classes: Tensor | None


def target_scores(scores: Tensor, target: Target, labels: Tensor | None) -> Targeted:
    """One score per sample for a target.

    Args:
        scores: (N, classes) class scores before softmax.
        target: see :data:`Target`.
        labels: (N,) true classes, needed for ``"label"``.

    Raises:
        TypeError: a function returned no tensor.
        ValueError: labels are missing, a class is out of range, or there are not as many classes as samples.
    """
    if callable(target):
        chosen = target(scores)
        if not isinstance(chosen, Tensor):
            raise TypeError(f"target returned {type(chosen).__name__}, allowed is a tensor of classes or of scores")
        if chosen.shape != scores.shape[:1]:
            raise ValueError(f"target returned the shape {tuple(chosen.shape)}, allowed is ({len(scores)},)")
        if chosen.is_floating_point():
            return Targeted(chosen, None)
        classes = chosen
    elif target == "predicted":
        classes = scores.argmax(dim=1)
    elif target == "label":
        if labels is None:
            raise ValueError("target='label' needs labelled samples, and these have no labels")
        classes = labels
    else:
        classes = torch.as_tensor(target).expand(len(scores)) if isinstance(target, int) else torch.as_tensor(target)
        if classes.shape != scores.shape[:1]:
            raise ValueError(f"target has {len(classes)} classes for {len(scores)} samples")
    classes = classes.to(scores.device)
    if bool((classes < 0).any()) or bool((classes >= scores.shape[1]).any()):
        raise ValueError(
            f"target asks for classes {classes.tolist()}, the model has classes 0 to {scores.shape[1] - 1}"
        )
    return Targeted(scores.gather(1, classes[:, None])[:, 0], classes)


def check_target(target: object) -> None:
    """Checks a target before there are any scores.

    Raises:
        TypeError: it is of no allowed kind.
        ValueError: it is an unknown word or a negative class.
    """
    if callable(target) or target in ("predicted", "label"):
        return
    if isinstance(target, str):
        raise ValueError(
            f"target={target!r}: allowed are 'predicted', 'label', a class index, one per sample, or a function"
        )
    classes = list(target) if isinstance(target, Sequence) else [target]
    indices = [index for index in classes if isinstance(index, int) and not isinstance(index, bool)]
    if len(indices) < len(classes):
        raise TypeError(f"target={target!r}: classes are integers")
    if min(indices, default=0) < 0:
        raise ValueError(f"target={target!r}: classes count from 0")
