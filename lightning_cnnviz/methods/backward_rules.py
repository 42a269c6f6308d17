"""Guided backpropagation and deconvnet: another backward pass through the ReLUs of a graph that is already there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from lightning_cnnviz.methods.gradients import input_gradient

Rule: TypeAlias = Literal["guided", "deconvnet"]
Node: TypeAlias = Any  # torch.autograd.graph.Node, whose saved values have no annotations

# Gates such as the sigmoid of a squeeze-and-excitation block are left out: the rules were never meant for them.
_OTHER_ACTIVATIONS = {
    "CeluBackward": "CELU",
    "EluBackward": "ELU",
    "GeluBackward": "GELU",
    "HardswishBackward": "Hardswish",
    "HardtanhBackward": "Hardtanh",
    "LeakyReluBackward": "LeakyReLU",
    "MishBackward": "Mish",
    "PreluKernelBackward": "PReLU",
    "RreluWithNoiseBackward": "RReLU",
    "SiluBackward": "SiLU",
    "SoftplusBackward": "Softplus",
    "TanhBackward": "Tanh",
}


@dataclass(frozen=True, slots=True)
class RuledGradient:
    """A gradient taken by another rule than the chain rule.

    Attributes:
        values: (N, C, H, W) signed.
        remark: what the rule did not reach, None if it reached all activation functions.
    """

    values: Tensor
    remark: str | None


def ruled_gradient(
    scores: Tensor, images: Tensor, rule: Rule, *, retain_graph: bool | None = None
) -> RuledGradient | None:
    """The gradient of the summed scores with respect to the images, with another rule at every ReLU.

    ``"guided"`` (Springenberg et al., 2015) passes only positive gradients on, where the ReLU's input was positive.
    ``"deconvnet"`` (Zeiler and Fergus, 2014) passes only positive gradients on, wherever they are. Both sharpen the
    picture and lose fidelity: they partly reconstruct the image, and answer less to the class and to the later layers
    than the gradient does (Adebayo et al., 2018; Nie et al., 2018).

    The rule acts on the autograd graph, so that ``F.relu``, ``relu_``, ReLU6 and ``clamp(min=0)`` obey it like
    ``nn.ReLU``. Other activation functions keep their ordinary gradient; the remark names them.

    Args:
        scores: (N,) computed from the images; their graph must not have been freed.
        images: (N, C, H, W) that require gradients.
        rule: ``"guided"`` or ``"deconvnet"``.
        retain_graph: whether the graph is needed again.

    Returns:
        None if the scores do not depend on the images in a differentiable way.
    """
    nodes = list(_nodes(scores.grad_fn))
    rectifiers = [node for node in nodes if _is_rectifier(node)]
    with _hooked(rectifiers, _RULES[rule]):
        (gradient,) = torch.autograd.grad(scores.sum(), [images], allow_unused=True, retain_graph=retain_graph)
    return None if gradient is None else RuledGradient(gradient, _remark(nodes, rectifiers))


def redirected_gradient(scores: Tensor, images: Tensor) -> Tensor:
    """The gradient of the summed scores with respect to the images, led through ReLUs that let nothing of it pass.

    Where a ReLU would stop all of an image's gradient, because it is shut everywhere, it passes all of it: gradient
    ascent can then open it (Olah et al., "Feature visualization", 2017). Elsewhere this is the ordinary gradient.

    Args:
        scores: (N,) computed from the images, each from its own.
        images: (N, C, H, W) that require gradients.

    Raises:
        ValueError: the scores do not depend on the images in a differentiable way.
    """
    with _hooked([node for node in _nodes(scores.grad_fn) if _is_rectifier(node)], _redirected):
        return input_gradient(scores.sum(), images, "the layer")


def _redirected(grad_inputs: tuple[Tensor | None, ...], grad_outputs: tuple[Tensor | None, ...]) -> Any:
    passed, arrived = grad_inputs[0], grad_outputs[0]
    if passed is None or arrived is None:
        return grad_inputs
    stopped = (passed == 0).flatten(1).all(dim=1).view(-1, *[1] * (passed.ndim - 1))
    return (torch.where(stopped, arrived, passed), *grad_inputs[1:])


def _guided(grad_inputs: tuple[Tensor | None, ...], grad_outputs: tuple[Tensor | None, ...]) -> Any:
    # What comes out of the ReLU's backward is masked already; clamping before or after the mask is the same.
    return tuple(_positive(gradient) for gradient in grad_inputs)


def _deconvnet(grad_inputs: tuple[Tensor | None, ...], grad_outputs: tuple[Tensor | None, ...]) -> Any:
    return (_positive(grad_outputs[0]), *grad_inputs[1:])


_RULES: dict[Rule, Callable[..., Any]] = {"guided": _guided, "deconvnet": _deconvnet}


def _positive(gradient: Tensor | None) -> Tensor | None:
    return None if gradient is None else gradient.clamp(min=0)


@contextmanager
def _hooked(nodes: list[Node], hook: Callable[..., Any]) -> Iterator[None]:
    handles = [node.register_hook(hook) for node in nodes]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _nodes(root: Node | None) -> Iterator[Node]:
    """All nodes of the graph that ends in ``root``."""
    seen, waiting = set(), [root]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting.extend(parent for parent, _ in node.next_functions)
            yield node


def _is_rectifier(node: Node) -> bool:
    kind = _kind(node)
    if kind == "HardtanhBackward":  # ReLU6
        return bool(node._saved_min_val == 0)
    if kind in ("ClampBackward", "ClampMinBackward"):
        return isinstance(node._saved_min, (int, float)) and node._saved_min == 0
    return kind == "ReluBackward"


def _kind(node: Node) -> str:
    return str(node.name()).rstrip("0123456789")


def _remark(nodes: list[Node], rectifiers: list[Node]) -> str | None:
    if not rectifiers:
        return "the model has no ReLU to apply the rule to, so this is its ordinary gradient"
    others = {_OTHER_ACTIVATIONS.get(_kind(node)) for node in nodes if not _is_rectifier(node)} - {None}
    if others:
        return f"the rule is one for ReLUs; {', '.join(sorted(map(str, others)))} kept the ordinary gradient"
    return None
