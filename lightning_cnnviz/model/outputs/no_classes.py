"""Telling rows that look like scores of classes, and are none: levels of an order, one image among others."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lightning_cnnviz.model.outputs.graph import RESHAPING, is_one_of
from lightning_cnnviz.model.outputs.readings import Known

_PASSING = (*RESHAPING, "Div", "Mul")
_PRODUCTS = ("Mm", "Bmm")
_ROUNDING = 8


def no_classes(output: Tensor, known: Known) -> str:
    """Why the columns of an output (N, classes) are no classes, and what to do about it; empty where they may be."""
    if known.kind != "auto" or output.ndim != 2 or output.shape[1] < 2:
        return ""
    width = output.shape[1]
    if known.numbers is not None and known.numbers > 1 and width not in (1, known.numbers):
        return (
            f"there are {known.numbers} whole numbers for each image and an output {width} wide, which may be several "
            "heads side by side; forward=lambda model, images: model(images)[:, :n] takes the first n of the columns"
        )
    if known.truth != "multi_hot" and is_cumulative(output):
        return (
            "the columns of the output are levels of an order, each of which holds those behind it; forward= takes a "
            "function that makes one score of each class of them, output='multilabel' reads a yes or no for each"
        )
    if compares_with_a_queue(output):
        return (
            "the output compares each image with its other view and with a queue of earlier ones, whose columns are no "
            "classes; forward= says which module to look at, output='logits' reads scores of classes"
        )
    return ""


def is_cumulative(output: Tensor) -> bool:
    """Whether columns are products of probabilities one by one, or one score against thresholds."""
    node = _passed(output.grad_fn)
    values = output.detach()
    if is_one_of(node, ("Cumprod",)):
        return bool(((values >= 0) & (values <= 1)).all())
    summands = node.next_functions if is_one_of(node, ("Add", "Addmm", "Sub")) else []
    if all(before is None or _width(before) != 1 for before, _ in summands):
        return False
    rounding = _ROUNDING * torch.finfo(values.dtype).eps * float(values.abs().max())
    apart = values - values[:, :1]
    # Where all samples are apart by the same, the first column is the same score as the others.
    spread = float((values[:, 0] - values[0, 0]).abs().max())
    return spread > 100 * rounding and float((apart - apart[0]).abs().max()) <= rounding


def compares_with_a_queue(output: Tensor) -> bool:
    """Whether one column is put before products with numbers that nobody trains, as momentum contrast has it."""
    node = _passed(output.grad_fn)
    if not is_one_of(node, ("Cat",)) or node._saved_dim not in (1, 2**64 - 1):
        return False
    parts = [before for before, _ in node.next_functions]
    if len(parts) != 2 or any(part is None for part in parts) or _width(parts[0]) != 1:
        return False
    product = _passed(parts[1])
    return is_one_of(product, _PRODUCTS) and any(before is None for before, _ in product.next_functions)


def _passed(node: Any) -> Any:
    """What is before operations that move or scale numbers."""
    while is_one_of(node, _PASSING):
        node = node.next_functions[0][0]
    return node


def _width(node: Any) -> int:
    """Of a node's result (N, width)."""
    found = getattr(node, "_input_metadata", ())
    return int(found[0].shape[1]) if found and len(found[0].shape) == 2 else 0
