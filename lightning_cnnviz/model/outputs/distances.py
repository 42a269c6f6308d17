"""Telling distances and costs, of which the smallest is the best, from scores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from lightning_cnnviz.model.outputs.graph import RESHAPING, is_one_of

_KEEPING_ORDER = (*RESHAPING, "Select", "Slice", "Sqrt", "Mul")
_DISTANCES = ("CdistBackward", "EuclideanDistBackward")
_NORMS = ("LinalgVectorNormBackward", "NormBackward")
_SUMS = ("SumBackward", "MeanBackward")
_MAGNITUDES = ("PowBackward", "AbsBackward")
_LOG_PROBABILITIES = ("LogSoftmaxBackward", "LogSigmoidBackward")


def smaller_is_better(output: Tensor) -> bool:
    """Whether the graph of an output ends in distances or negative log-probabilities whose sign nobody changed."""
    return bool((output >= 0).all()) and _is_cost(output.grad_fn)


def _is_cost(node: Any) -> bool:
    if node is None:
        return False
    name = node.name()
    if name.startswith(_DISTANCES):
        return True
    if name.startswith("NegBackward"):
        return any(before.name().startswith(_LOG_PROBABILITIES) for before in _before(node))
    if name.startswith(_NORMS):
        return any(map(_is_difference, _before(node)))
    if name.startswith(_SUMS):
        sizes = [before for before in _before(node) if before.name().startswith(_MAGNITUDES)]
        return any(_is_difference(before) for size in sizes for before in _before(size)) or any(
            before.name().startswith("MseLossBackward") for before in _before(node)
        )
    return any(map(_is_cost, _of_the_same_order(node, name)))


def _of_the_same_order(node: Any, name: str) -> Iterator[Any]:
    """What is before a node that changes nothing about which entry is the smallest."""
    if is_one_of(node, _KEEPING_ORDER) or (name.startswith("PowBackward0") and node._saved_exponent > 0):
        yield from _before(node)
    elif name.startswith("DivBackward"):
        yield node.next_functions[0][0]


def _is_difference(node: Any) -> bool:
    """Whether two things were subtracted; a small number may have been added since."""
    if node.name().startswith("AddBackward"):
        return any(before.name().startswith("SubBackward") for before in _before(node))
    return bool(node.name().startswith("SubBackward"))


def _before(node: Any) -> Iterator[Any]:
    return (before for before, _ in node.next_functions if before is not None)
