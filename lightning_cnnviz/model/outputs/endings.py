"""What a model did last to its scores, from the graph and the numbers of its output."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lightning_cnnviz.model.outputs.graph import RESHAPING, is_one_of
from lightning_cnnviz.model.outputs.readings import Ending

_ENDINGS: dict[str, Ending] = {
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
    "Sigmoid": "sigmoid",
    "LogSigmoid": "log_sigmoid",
    "Hardsigmoid": "sigmoid",
}
_LINEAR = ("Addmm", "Mm", "Bmm", "Convolution", "NativeLayerNorm", "Linear")
_PASSING = (*RESHAPING, "Select", "Slice", "Unbind", "Split", "Mean", "AdaptiveAvgPool2D", "AvgPool2D")
_COMBINING = ("Add", "Mul", "Div", "Sum", "Stack", "Cat", "Clamp", "Amax", "Max", "Amin", "Min", "Lerp")
_OF_A_YES = {"Rsub", "Sub", "Prod", "Pow", "Sqrt"}  # makes a probability of those of a yes, but no shares of shares
_PROBABILITIES = ("prob", "confidence", "pred_score")  # the last is anomalib's
_PERCENTS = 100
_CLEAR = 1e-3  # what a probability must be away from 0 and 1 to tell something


def ending_of(output: Tensor) -> Ending | None:
    """What a tensor's own graph says was done last, "logits" if that was a linear layer, None if it cannot be told.

    Means of several outputs, as of an ensemble, end as those do, if the numbers agree; so do their multiples. What was
    made of sigmoids, such as ``1 - p``, their product or a mean with weights, is probabilities between 0 and 1.
    """
    nodes, combined = _last_nodes(output.grad_fn)
    endings = [_ending_of(node, output.ndim) for node in nodes]
    if output.ndim == 1 or output.shape[1] == 1:  # one column of shares
        endings = ["sigmoid" if ending == "softmax" else ending for ending in endings]
    ending = endings[0] if len({*endings}) == 1 else None
    if not combined:
        return ending
    if combined & _OF_A_YES and ending_by_numbers(output) == "softmax":
        return None  # a probability beside what is missing to one
    if _are_of_a_yes(nodes, endings, combined):
        return "sigmoid" if bool(((output >= 0) & (output <= 1)).all()) else None
    if combined & _OF_A_YES:
        return None
    if ending == "softmax":
        return ending if total_of(output) is not None else None
    return ending if ending == ending_by_numbers(output) else None


def _are_of_a_yes(nodes: list[Any], endings: list[Ending | None], combined: set[str]) -> bool:
    """Whether probabilities of a yes were combined, with weights of a softmax over places or without."""
    if endings and all(is_one_of(node, ("Tanh",)) for node in nodes):
        return bool(combined & {"Add", "Rsub"} and combined & {"Mul", "Div"})
    others = [node for node, ending in zip(nodes, endings, strict=True) if ending != "sigmoid"]
    weights = [node for node in others if is_one_of(node, ("Softmax",)) and _ending_of(node, 2) is None]
    return len(others) < len(nodes) and len(weights) == len(others)


def total_of(output: Tensor) -> float | None:
    """What every row of numbers that are not negative sums to: 1 of probabilities, 100 of percents; else None."""
    values = output.detach().float()
    if values.ndim < 2 or values.shape[1] < 2 or not bool(values.isfinite().all()):
        return None
    totals = values.sum(dim=1)
    mean = float(totals.mean())
    near = mean * max(1e-3, 4 * torch.finfo(output.dtype).eps)
    if mean <= 0 or bool((values < -near).any()) or bool(((totals - mean).abs() > near).any()):
        return None
    return float(round(mean)) if abs(mean - round(mean)) <= near else mean


def _ending_of(node: Any, dimensions: int) -> Ending | None:
    for kind, ending in _ENDINGS.items():
        if is_one_of(node, (kind,)):
            dim = getattr(node, "_saved_dim", 1)
            across = dim in (1, 2**64 - 1, -1) or dimensions == 1
            across = across or (dimensions == 4 and dim == 2**64 - 3)
            return ending if across else None
    if is_one_of(node, ("Log",)) and is_one_of(node.next_functions[0][0], ("Sigmoid",)):
        return "log_sigmoid"
    return "sigmoid" if _is_cut_to_probabilities(node) else "logits" if is_one_of(node, _LINEAR) else None


def _is_cut_to_probabilities(node: Any) -> bool:
    """Whether it cuts numbers off at 0 and 1."""
    if not node.name().startswith(("ClampBackward1", "HardtanhBackward")):
        return False
    suffix = "" if node.name().startswith("Clamp") else "_val"
    return (getattr(node, f"_saved_min{suffix}"), getattr(node, f"_saved_max{suffix}")) == (0, 1)


def _last_nodes(node: Any) -> tuple[list[Any], set[str]]:
    """The last operations that changed numbers, and what has put several of them together or scaled them since."""
    waiting, found, combined, seen = [] if node is None else [node], [], set(), set()
    while waiting:
        node = waiting.pop()
        if node in seen:  # as in x + x
            continue
        seen.add(node)
        kind = node.name().partition("Backward")[0]
        before = [node for node, _ in node.next_functions if node is not None]
        combines = kind in _COMBINING or (kind in _OF_A_YES and len(before) == 1)
        passes = is_one_of(node, _PASSING) or kind.startswith("Upsample")
        if _is_cut_to_probabilities(node) or not (combines or passes):
            found.append(node)
            continue
        combined |= {kind} if combines else set()
        waiting += before
    return found, combined


def ending_by_name(output: Tensor, name: object) -> Ending | None:
    """What the name of an output tells, if the numbers may be so: ``"probs"``, ``"pred_score"``."""
    if not any(word in str(name).lower() for word in _PROBABILITIES):
        return None
    if not bool(((output >= 0) & (output <= 1)).all()):
        return None
    return "softmax" if ending_by_numbers(output) == "softmax" else "sigmoid"


def ending_by_numbers(output: Tensor) -> Ending:
    """What the numbers alone tell: rows that sum to one, unless they may be scores that happen to."""
    values = output.detach().float()
    if values.ndim < 2 or values.shape[1] < 2:
        return "logits"
    tolerance = max(1e-3, 4 * torch.finfo(output.dtype).eps)

    def sums_to_one(rows: Tensor) -> bool:
        close = bool((rows >= 0).all() and ((rows.sum(dim=1) - 1).abs() <= tolerance).all())
        # Ones and zeros alone are what scores may be by chance.
        return close and bool(((rows > _CLEAR) & (rows < 1 - _CLEAR)).any())

    if sums_to_one(values) or (total_of(output) == _PERCENTS and sums_to_one(values / _PERCENTS)):
        return "softmax"
    if bool((values <= 0).all()) and sums_to_one(values.exp()):
        return "log_softmax"
    return "logits"
