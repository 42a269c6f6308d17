"""Which calls of a module are looked at, and which rows of its output belong to which sample."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lightning_cnnviz.model.layers.layer import ONCE, Calls
from lightning_cnnviz.model.layers.turns import UPRIGHT, Turn
from lightning_cnnviz.model.outputs.graph import Graph, walked
from lightning_cnnviz.model.survey.disturbance import changed_rows
from lightning_cnnviz.model.survey.placing import Called, Placing

_CUTS_BOXES = re.compile("roi_?(align|pool)", re.IGNORECASE)
_OF_BOXES = "puts out maps of boxes in the images, not of the images"


@dataclass(frozen=True)
class Verdict:
    """What is made of all calls of a module, see :class:`~lightning_cnnviz.model.layers.layer.Layer`."""

    shape: tuple[int, ...]
    calls: Calls = ONCE
    matters: bool | None = None
    constant: bool = False
    unusable: str = ""


def calls_of(name: str, calls: list[Called], graph: Graph, placing: Placing, has_weights: bool) -> Verdict:
    """Chooses among the calls of a module.

    Args:
        name: of the module.
        calls: all of them, in their order.
        graph: of the same forward pass.
        placing: of several views of an image.
        has_weights: whether it or a module inside it has any; one without is called at several places of a network,
            not applied several times.
    """
    samples = placing.samples
    matter = [False if call.dismissed else graph.matters(call.node) for call in calls]
    matters = True if True in matter else None if None in matter else False
    if _one_by_one(calls, samples):
        remark = f"{name} is called for each sample by itself: what it puts out for all is looked at"
        together = Calls(len(calls), tuple(range(len(calls))), one_by_one=True, remark=remark)
        return Verdict(tuple(calls[0].tensor.shape[1:]), together, matters)
    used = [index for index, one in enumerate(matter) if one is not False] or list(range(len(calls)))
    chosen = _chosen(name, calls, used, placing, has_weights)
    tensor = calls[chosen.used[0]].tensor
    constant = all(_is_constant(calls[index], graph) for index in chosen.used)
    rows = tensor.shape[0] if tensor.ndim else 0
    shape = tuple(tensor.shape[1:])
    if rows == samples:
        return Verdict(shape, chosen, matters, constant)
    if rows == 0 or rows % samples or tensor.ndim != 4 or constant:
        # Windows of the images, side by side in the batch, are no output of one sample.
        return Verdict((), Calls(len(calls), chosen.used), matters, constant)
    count = rows // samples
    parts = _OF_BOXES if _of_boxes(calls[chosen.used[0]]) else placing.of_parts(calls[chosen.used[0]])
    if isinstance(parts, str):
        return Verdict(shape, Calls(len(calls), chosen.used, count), matters, constant, parts)
    remark = f"{name} puts out {count} maps for each sample, side by side in its batch: all are looked at"
    remark = chosen.remark or remark + _back(parts.turns)
    folded = Calls(len(calls), chosen.used, count, parts.interleaved, parts.turns, remark=remark)
    return Verdict(shape, folded, matters, constant)


def _of_boxes(call: Called) -> bool:
    """Whether it is of regions that a detector cut out of its maps, whose number may be a multiple of the samples'."""
    return call.node is not None and any(_CUTS_BOXES.search(node.name()) for node in walked([call.node]))


def _one_by_one(calls: list[Called], samples: int) -> bool:
    """Whether each call is for one sample: only the first sample's changes with its image."""
    if len(calls) != samples or any(call.tensor.shape[:1] != (1,) for call in calls):
        return False
    alike = {call.tensor.shape for call in calls}
    changed = [changed_rows(call.tensor, after) for call in calls for after in call.disturbed[:1]]
    return len(alike) == 1 and changed == [[0]] + [[]] * (samples - 1)


def _chosen(name: str, calls: list[Called], used: list[int], placing: Placing, has_weights: bool) -> Calls:
    """The calls whose maps can be laid on each other, or one of them."""
    total = len(calls)
    if len(used) == 1:
        trace = placing.of_calls(calls)[used[0]]
        turn = UPRIGHT if trace is None else trace.turn(clearly=True)
        return Calls(total, tuple(used)).lying(name, turn)
    times = f"{name} is called {total} times for one batch"
    if not has_weights:
        return Calls(total, tuple(used[-1:]), remark=f"{times}: shown is the last call")
    traces = {index: trace for index, trace in enumerate(placing.of_calls(calls)) if trace is not None}
    turns = {index: traces[index].turn() if index in traces else UPRIGHT for index in used}
    upright = {index: traces[index].turned(turns[index]) for index in used if index in traces}
    hits = {index: upright[index].hit() if index in upright else 0.0 for index in used}
    first = next(index for index in used if hits[index] >= 0.9 * max(hits.values()))
    shape = calls[first].tensor.shape
    fitting = [
        index
        for index in used
        if index == first
        or (index in upright and calls[index].tensor.shape == shape and upright[index].alike(upright[first]))
    ]
    turned = tuple(turns[index] for index in fitting)
    if len(fitting) == len(used):
        remark = f"{times}: what later calls put out counts as further channels"
    else:
        sizes = {calls[index].tensor.shape[1:] for index in used}
        why = "on images that do not lie alike" if len(sizes) == 1 else "and puts out maps of several sizes"
        remark = f"{times}, {why}: shown {_calls(fitting)}"
    return Calls(total, tuple(fitting), turns=turned, remark=remark + _back(turned))


def _calls(indices: list[int]) -> str:
    numbers = [str(index + 1) for index in indices]
    return f"is call {numbers[0]}" if len(numbers) == 1 else f"are calls {', '.join(numbers[:-1])} and {numbers[-1]}"


def _is_constant(call: Called, graph: Graph) -> bool:
    depends = graph.depends_on_images(call.node)
    if depends is not True and call.disturbed:  # a detached part hides what lies behind it from the graph
        return all(changed_rows(call.tensor, after) == [] for after in call.disturbed)
    return depends is False


def _back(turns: tuple[Turn, ...]) -> str:
    return "; maps of turned or mirrored images are turned back" if any(turn != UPRIGHT for turn in turns) else ""
