"""The backward passes of one look: gradients of layers and images, by the chain rule and by other rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lightning_cnnviz.methods.backward_rules import Rule, RuledGradient, ruled_gradient
from lightning_cnnviz.model.evidence import THE_INPUT

_DETACHED = (
    "there is no gradient for {}: it, or what follows, is detached or computed under torch.no_grad, "
    "as in checkpointing without use_reentrant=False"
)
_INDEPENDENT = "the target score does not depend on {} in a differentiable way"


@dataclass
class Pass:
    """What the shared pass collects."""

    probabilities: Tensor
    remark: str | None
    classes: Tensor | None
    activations: dict[str, Tensor] = field(default_factory=dict)
    gradients: dict[str, Tensor] = field(default_factory=dict)
    input_gradient: Tensor | None = None
    ruled_gradients: dict[Rule, RuledGradient] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def differentiate(scores: Tensor, sources: dict[str, Tensor], found: Pass, *, retain_graph: bool) -> None:
    """Gradients of the summed scores, each sample's own since no score depends on another; reasons for missing ones."""
    connected = {name: source for name, source in sources.items() if source.requires_grad}
    if not scores.requires_grad:
        connected = {}
    for name in sources.keys() - connected.keys():
        found.missing[name] = _DETACHED.format(name)
    if not connected:
        return
    try:
        gradients: Sequence[Tensor | None] = torch.autograd.grad(
            scores.sum(), list(connected.values()), allow_unused=True, retain_graph=retain_graph
        )
    except RuntimeError as error:
        found.missing.update(dict.fromkeys(connected, f"the backward pass failed: {error}"))
        return
    for name, gradient in zip(connected, gradients, strict=True):
        if gradient is None:
            found.missing[name] = _INDEPENDENT.format(name)
        else:
            found.gradients[name] = gradient


def apply_rules(scores: Tensor, images: Tensor, rules: Sequence[Rule], found: Pass) -> None:
    """One more backward pass for each rule, through the graph of the ordinary one; the last of them frees it."""
    if not scores.requires_grad:
        found.missing.update({rule: _DETACHED.format(THE_INPUT) for rule in rules})
        return
    for rule in rules:
        try:
            gradient = ruled_gradient(scores, images, rule, retain_graph=rule != rules[-1])
        except RuntimeError as error:
            found.missing[rule] = f"the backward pass failed: {error}"
            continue
        if gradient is None:
            found.missing[rule] = _INDEPENDENT.format(THE_INPUT)
        else:
            found.ruled_gradients[rule] = gradient
