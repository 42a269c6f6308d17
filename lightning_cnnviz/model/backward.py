"""The backward passes of one look: gradients of layers and images, by the chain rule and by other rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from lightning_cnnviz.methods.backward_rules import Rule, RuledGradient, ruled_gradient
from lightning_cnnviz.methods.gradients import INDEPENDENT
from lightning_cnnviz.model.evidence import THE_INPUT, Request
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.model.outputs.readings import Answers

_DETACHED = (
    "there is no gradient for {}: it, or what follows, is detached or computed under torch.no_grad, "
    "as in checkpointing without use_reentrant=False"
)


@dataclass
class Pass:
    """What the shared pass collects."""

    answers: Answers
    classes: Tensor | None = None
    activations: dict[str, list[Tensor]] = field(default_factory=dict)
    gradients: dict[str, list[Tensor]] = field(default_factory=dict)
    input_gradient: Tensor | None = None
    ruled_gradients: dict[Rule, RuledGradient] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def derive(
    scores: Tensor,
    request: Request,
    images: Tensor,
    outputs: Mapping[str, list[Tensor]],
    *,
    layout: Layout,
    found: Pass,
) -> None:
    """Takes the gradients that a request wants of the score explained, by layers, by the images and by other rules."""
    sources = {name: outputs[name] for name in request.gradients if name in outputs}
    if request.input_gradient:
        sources[THE_INPUT] = [images]
    coupled = layout if layout.coupled else None
    differentiate(scores, sources, found, retain_graph=bool(request.rules), layout=coupled)
    _apply_rules(scores, images, sorted(request.rules), found)
    found.input_gradient = next(iter(found.gradients.pop(THE_INPUT, ())), None)


def differentiate(
    scores: Tensor,
    sources: Mapping[str, Sequence[Tensor]],
    found: Pass,
    *,
    retain_graph: bool,
    layout: Layout | None = None,
) -> None:
    """Gradients of each sample's own score; reasons for missing ones.

    Args:
        scores: (N,) what is explained.
        sources: layers, and what they put out in each call.
        found: where the gradients go.
        retain_graph: whether the graph is needed afterwards.
        layout: the layers, where the score of a sample depends on the others beside it: then every score is derived by
            itself. Else their sum is, which gives the same in one pass.
    """
    connected = {
        (name, call): tensor
        for name, tensors in sources.items()
        for call, tensor in enumerate(tensors)
        if tensor.requires_grad and scores.requires_grad
    }
    for name in sources.keys() - {name for name, _ in connected}:
        found.missing[name] = _DETACHED.format(name)
    if not connected:
        return
    try:
        if layout is None:
            gradients = _gradients(scores.sum(), list(connected.values()), retain_graph=retain_graph)
        else:
            gradients = _own_gradients(scores, connected, layout)
    except RuntimeError as error:
        found.missing.update(dict.fromkeys((name for name, _ in connected), f"the backward pass failed: {error}"))
        return
    of_calls = dict(zip(connected, gradients, strict=True))
    for name in dict.fromkeys(name for name, _ in connected):
        calls = [of_calls.get((name, call)) for call in range(len(sources[name]))]
        if all(gradient is None for gradient in calls):
            found.missing[name] = INDEPENDENT.format("the target score", name)
        else:
            found.gradients[name] = [
                torch.zeros_like(tensor) if gradient is None else gradient
                for gradient, tensor in zip(calls, sources[name], strict=True)
            ]


def _gradients(score: Tensor, sources: Sequence[Tensor], *, retain_graph: bool) -> list[Tensor | None]:
    return list(torch.autograd.grad(score, list(sources), allow_unused=True, retain_graph=retain_graph))


def _own_gradients(scores: Tensor, sources: Mapping[tuple[str, int], Tensor], layout: Layout) -> list[Tensor | None]:
    """For each sample the gradient of its own score, taken from its own rows."""
    own: list[Tensor | None] = [None] * len(sources)
    for index, score in enumerate(scores):
        gradients = _gradients(score, list(sources.values()), retain_graph=True)
        for position, ((name, _), gradient) in enumerate(zip(sources, gradients, strict=True)):
            if gradient is None:
                continue
            rows = _rows(index, len(scores), len(gradient), name, layout)
            kept = own[position]
            kept = torch.zeros_like(gradient) if kept is None else kept
            kept[rows] = gradient[rows]
            own[position] = kept
    return own


def _rows(sample: int, samples: int, rows: int, name: str, layout: Layout) -> slice:
    parts = max(1, rows // samples)
    if name != THE_INPUT and layout[name].calls.interleaved:
        return slice(sample, None, samples)
    return slice(sample * parts, (sample + 1) * parts)


@contextmanager
def recurrent_on_cuda(model: nn.Module) -> Iterator[None]:
    """Lets recurrent layers be derived in evaluation mode, which cuDNN refuses."""
    recurrent = any(isinstance(module, nn.RNNBase) for module in model.modules())
    if not recurrent or not torch.cuda.is_initialized():
        yield
        return
    with torch.backends.cudnn.flags(enabled=False):
        yield


def _apply_rules(scores: Tensor, images: Tensor, rules: Sequence[Rule], found: Pass) -> None:
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
            found.missing[rule] = INDEPENDENT.format("the target score", THE_INPUT)
        else:
            found.ruled_gradients[rule] = gradient
