"""Which calls of a module are looked at, and which rows of its output belong to which sample."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from lightning_cnnviz.model.disturbance import Spot, all_alike, changed_rows
from lightning_cnnviz.model.graph import Graph, Node
from lightning_cnnviz.model.layer import ONCE, Calls


@dataclass
class Called:
    """One call of a module.

    Attributes:
        tensor: what it put out.
        node: where that comes from in the graph, None if it is in none.
        disturbed: what it put out when a spot of the first image was changed.
        dismissed: whether the score was found not to depend on it.
    """

    tensor: Tensor
    node: Node | None
    disturbed: Tensor | None = None
    dismissed: bool = False


@dataclass(frozen=True)
class Verdict:
    """What is made of all calls of a module, see :class:`~lightning_cnnviz.model.layer.Layer`."""

    shape: tuple[int, ...]
    calls: Calls = ONCE
    matters: bool | None = None
    constant: bool = False
    unusable: str = ""


def calls_of(name: str, calls: list[Called], graph: Graph, samples: int, has_weights: bool) -> Verdict:
    """Chooses among the calls of a module.

    Args:
        name: of the module.
        calls: all of them, in their order.
        graph: of the same forward pass.
        samples: N.
        has_weights: whether it or a module inside it has any; one without is called at several places of a network,
            not applied several times.
    """
    matter = [False if call.dismissed else graph.matters(call.node) for call in calls]
    matters = True if True in matter else None if None in matter else False
    used = [index for index, one in enumerate(matter) if one is not False] or list(range(len(calls)))
    used, remark = _chosen(name, calls, used, samples, has_weights)
    tensor = calls[used[0]].tensor
    constant = all(_is_constant(calls[index], graph) for index in used)
    rows = tensor.shape[0] if tensor.ndim else 0
    shape = tuple(tensor.shape[1:])
    if rows == samples:
        return Verdict(shape, Calls(len(calls), tuple(used), remark=remark), matters, constant)
    if rows == 0 or rows % samples or tensor.ndim != 4 or constant:
        # Windows of the images, side by side in the batch, are no output of one sample.
        return Verdict((), Calls(len(calls), tuple(used)), matters, constant)
    parts = rows // samples
    interleaved, unusable = _order(calls[used[0]], samples, parts)
    remark = remark or f"{name} puts out {parts} maps for each sample, side by side in its batch: all are looked at"
    return Verdict(shape, Calls(len(calls), tuple(used), parts, interleaved, remark), matters, constant, unusable)


def _chosen(
    name: str, calls: list[Called], used: list[int], samples: int, has_weights: bool
) -> tuple[list[int], str | None]:
    if len(used) == 1:
        return used, None
    times = f"{name} is called {len(calls)} times for one batch"
    if not has_weights:
        return used[-1:], f"{times}: shown is the last call"
    shapes = {tuple(calls[index].tensor.shape) for index in used}
    spots = [_spot(calls[index], samples) for index in used]
    known = all(spot is not None for spot in spots)
    if len(shapes) == 1 and known and all_alike([spot for spot in spots if spot is not None]):
        return used, f"{times}: what later calls put out counts as further channels"
    hits = [0.0 if spot is None else spot.hit() for spot in spots]
    first = next(position for position, hit in enumerate(hits) if hit >= 0.9 * max(hits))
    return [used[first]], f"{times}, on images that do not lie alike: shown is call {used[first] + 1}"


def _spot(call: Called, samples: int) -> Spot | None:
    """Where the output for the first sample changed, None if that cannot be told."""
    if call.disturbed is None or call.disturbed.shape != call.tensor.shape or call.tensor.shape[:1] != (samples,):
        return None
    before, after = call.tensor[0], call.disturbed[0]
    if before.ndim == 2:  # tokens
        before, after = before.T[..., None], after.T[..., None]
    return Spot.of(before, after) if before.ndim == 3 else None


def _is_constant(call: Called, graph: Graph) -> bool:
    depends = graph.depends_on_images(call.node)
    if depends is not True and call.disturbed is not None:  # a detached part hides what lies behind it from the graph
        return changed_rows(call.tensor, call.disturbed) == []
    return depends is False


def _order(call: Called, samples: int, parts: int) -> tuple[bool, str]:
    """Whether the first parts of all samples come first, and why the parts cannot be drawn, if they cannot."""
    puts = f"puts out {parts} maps for each sample, side by side in its batch"
    rows = None if call.disturbed is None else changed_rows(call.tensor, call.disturbed)
    together, interleaved = set(range(parts)), set(range(0, parts * samples, samples))
    if not rows or call.disturbed is None:
        return False, f"{puts}, in an order that cannot be told"
    if set(rows) <= together & interleaved:
        return False, f"{puts}, of parts that do not lie alike, such as patches or crops"
    if not (set(rows) <= together or set(rows) <= interleaved):
        return False, f"{puts}, in an order that cannot be told"
    first = sorted(together if set(rows) <= together else interleaved)
    spots = [Spot.of(call.tensor[row], call.disturbed[row]) for row in first]
    unusable = "" if all_alike(spots) else f"{puts}, of parts that do not lie alike, such as patches or crops"
    return set(rows) <= interleaved, unusable
