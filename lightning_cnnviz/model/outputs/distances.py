"""Telling distances and costs, of which the smallest is the best, from scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, TypeAlias

from torch import Tensor

from lightning_cnnviz.model.outputs.graph import RESHAPING, is_one_of

_Direction: TypeAlias = Literal[-1, 0, 1] | None
"""1 where larger numbers are farther, -1 where they are nearer, 0 where nothing tells, None for a constant."""

_DISTANCES = ("Cdist", "EuclideanDist")
_NORMS = ("LinalgVectorNorm", "Norm")
_SUMS = ("Sum", "Mean")
_LOG_PROBABILITIES = ("LogSoftmax", "LogSigmoid")
_PRODUCTS = ("Mm", "Bmm")
_COMPOSED = ("Neg", "Rsub", "Add", "Sub", "Pow", "Mul", "Div")
_CUTTING = ("Clamp", "ClampMin", "ClampMax", "Relu")
_RISING = (
    *RESHAPING,
    *_CUTTING,
    *("Select", "Slice", "Unbind", "Split", "Gather", "IndexSelect", "Index", "Topk", "Stack", "Cat"),
    *("Sqrt", "Exp", "Expm1", "Log", "Log1p", "Logsumexp", "Amin", "Amax", "Min", "Max"),
    *("MaxPool2DWithIndices", "AdaptiveMaxPool2D", "AvgPool2D", "AdaptiveAvgPool2D"),
)
_DEEPEST = 16
_MOST_NESTED = 5  # sums and products of which one distance is made
_ROUNDING = 1e-5


def smaller_is_better(output: Tensor) -> bool:
    """Whether the graph of an output ends in distances or negative log-probabilities whose sign nobody changed."""
    rounding = _ROUNDING * output.detach().abs().max()
    return bool((output >= -rounding).all()) and _direction(output.grad_fn, {}) == 1


_Known: TypeAlias = dict[tuple[Any, bool, int], _Direction]


def _direction(node: Any, known: _Known, summed: bool = False, depth: int = 0) -> _Direction:
    """Which way numbers go, as far as the graph tells; ``summed`` where a sum over parts of them follows.

    ``known`` are the answers so far: what is used several times, as in ``x + x``, is asked for once.
    """
    if _is_constant(node):
        return None
    key = node, summed, depth
    if key not in known:
        known[key] = _direction_of(node, known, summed, depth)
    return known[key]


def _direction_of(node: Any, known: _Known, summed: bool, depth: int) -> _Direction:
    found = _of_distances(node, summed)
    if found or depth == _DEEPEST or not is_one_of(node, (*_RISING, *_SUMS, *_COMPOSED)):
        return found
    summed = summed or is_one_of(node, _SUMS)
    inner = [_direction(before, known, summed, depth + 1) for before, _ in node.next_functions]
    if is_one_of(node, ("Neg", "Rsub")):
        return _turned(inner[0], -1)
    if is_one_of(node, ("Add", "Sub")):
        return _common([inner[0], _turned(inner[1], _sign_of_second(node))])
    if is_one_of(node, ("Pow",)):
        return 1 if inner[0] == 1 and node.name().startswith("PowBackward0") and node._saved_exponent > 0 else 0
    return _scaled(node, inner) if is_one_of(node, ("Mul", "Div")) else _common(inner)


def _of_distances(node: Any, summed: bool) -> _Direction:
    """The direction of distances and of the logarithms of probabilities themselves, 0 of what is none."""
    if is_one_of(node, (*_DISTANCES, "Acos")) or _is_quadratic(node, ("Bmm",)) or (summed and _is_magnitude(node)):
        return 1
    if is_one_of(node, _NORMS):
        return 1 if any(map(_is_difference, _before(node))) else 0
    is_near = is_one_of(node, _LOG_PROBABILITIES) or _is_log_of_probability(node) or _is_cosine(node)
    return -1 if is_near else _expanded_square(node)


def _scaled(node: Any, inner: list[_Direction]) -> _Direction:
    """Of a product or quotient: what is scaled by numbers of one sign goes the same way, or the other."""
    first, second = inner
    if first in (1, -1) and second in (None, 0):
        return _turned(first, _sign(node, "_saved_other"))
    if is_one_of(node, ("Div",)):  # distances by distances may be either
        return None if first is None and second is None else 0
    if second in (1, -1) and first in (None, 0):
        return _turned(second, _sign(node, "_saved_self"))
    return first if first == second and first != -1 else 0


def _expanded_square(node: Any) -> _Direction:
    """Of ``|f|² + |c|² - 2 f·c`` and its negative; 0 for anything else."""
    if not is_one_of(node, ("Add", "Sub", "Addmm")):
        return 0
    terms = [(term, sign) for term, sign in _terms(node, 1) if not _is_constant(term)]
    squares = {sign for term, sign in terms if _is_sum_of_squares(term)}
    products = {sign for term, sign in terms if is_one_of(term, (*_PRODUCTS, "Addmm"))}
    is_all = all(_is_sum_of_squares(term) or is_one_of(term, (*_PRODUCTS, "Addmm")) for term, _ in terms)
    if not is_all or len(squares) != 1 or products != {-sign for sign in squares}:
        return 0
    return 1 if squares == {1} else -1


def _terms(node: Any, sign: int, depth: int = 0) -> Iterator[tuple[Any, int]]:
    """What a sum is of, each with its sign; the product that :func:`torch.addmm` adds is named by the whole."""
    node = _behind(node)
    parts: Any = () if node is None else node.next_functions
    if depth == _MOST_NESTED or not is_one_of(node, ("Add", "Sub", "Addmm", "Mul")):
        yield node, sign
    elif is_one_of(node, ("Addmm",)):
        yield from _terms(parts[0][0], sign, depth + 1)
        yield node, sign * (1 if node._saved_alpha > 0 else -1)
    elif is_one_of(node, ("Mul",)):
        scaled = parts[0][0] is not None and parts[1][0] is None
        yield from _terms(parts[0][0], sign * _sign(node, "_saved_other"), depth + 1) if scaled else [(node, 0)]
    else:
        yield from _terms(parts[0][0], sign, depth + 1)
        yield from _terms(parts[1][0], sign * _sign_of_second(node), depth + 1)


def _is_sum_of_squares(node: Any) -> bool:
    return is_one_of(node, _SUMS) and any(
        (before.name().startswith("PowBackward0") and before._saved_exponent == 2)
        or (is_one_of(before, ("Mul",)) and before.next_functions[0][0] is before.next_functions[1][0])
        for before in _before(node)
    )


def _is_magnitude(node: Any) -> bool:
    """Whether it is how large each difference is."""
    if is_one_of(node, ("Pow", "Abs")):
        return any(map(_is_difference, _before(node)))
    return is_one_of(node, ("MseLoss", "SmoothL1Loss", "HuberLoss")) or _is_quadratic(node, ("Mul",))


def _is_quadratic(node: Any, products: tuple[str, ...]) -> bool:
    """Whether differences are multiplied with themselves, with a matrix in between or without."""
    if not is_one_of(node, products):
        return False
    first, second = (set(_differences(before)) for before, _ in node.next_functions)
    return bool(first & second)


def _differences(node: Any, depth: int = 0) -> Iterator[Any]:
    node = _behind(node)
    if _is_difference(node):
        yield node
    elif is_one_of(node, _PRODUCTS) and depth < _MOST_NESTED:
        for before in _before(node):
            yield from _differences(before, depth + 1)


def _is_difference(node: Any) -> bool:
    """Whether two things were subtracted; a small number may have been added since."""
    if is_one_of(node, ("Add",)):
        return any(is_one_of(before, ("Sub",)) for before in _before(node))
    return is_one_of(node, ("Sub",))


def _is_cosine(node: Any) -> bool:
    """Whether it is a product with something that was divided by its norm."""
    if is_one_of(node, _SUMS):
        node = next(_before(node), None)
        if not is_one_of(node, ("Mul",)):
            return False
    elif not is_one_of(node, _PRODUCTS):
        return False
    factors = [_behind(before) for before in _before(node)]
    divisors = [_behind(factor.next_functions[1][0], _CUTTING) for factor in factors if is_one_of(factor, ("Div",))]
    return any(is_one_of(divisor, _NORMS) for divisor in divisors)


def _is_log_of_probability(node: Any) -> bool:
    """Whether a logarithm was taken of probabilities; a small number may have been added to them."""
    if not is_one_of(node, ("Log",)):
        return False
    return is_one_of(_behind(node.next_functions[0][0], (*_CUTTING, "Add")), ("Softmax", "Sigmoid"))


def _is_constant(node: Any) -> bool:
    return node is None or node.name().endswith("AccumulateGrad")


def _behind(node: Any, passed: tuple[str, ...] = ()) -> Any:
    """What is before operations that only reshape, or others given."""
    while is_one_of(node, (*RESHAPING, *passed)):
        node = node.next_functions[0][0]
    return node


def _before(node: Any) -> Iterator[Any]:
    return (before for before, _ in node.next_functions if before is not None)


def _common(directions: Iterable[_Direction]) -> _Direction:
    found = {direction for direction in directions if direction is not None}
    return None if not found else found.pop() if len(found) == 1 else 0


def _turned(direction: _Direction, sign: int) -> _Direction:
    turned: dict[int, _Direction] = {1: 1, -1: -1, 0: 0}
    return None if direction is None else turned[direction * sign]


def _sign_of_second(node: Any) -> int:
    """Whether the second of two summands is added or subtracted."""
    positive = node._saved_alpha > 0
    return 1 if positive is is_one_of(node, ("Add",)) else -1


def _sign(node: Any, saved: str) -> int:
    """The sign that all of the numbers have by which a node scales; 0 where there are several."""
    try:
        numbers = getattr(node, saved)
    except RuntimeError:  # they were changed in place since
        return 0
    if numbers is None:
        return 0
    return 1 if bool((numbers >= 0).all()) else -1 if bool((numbers <= 0).all()) else 0
