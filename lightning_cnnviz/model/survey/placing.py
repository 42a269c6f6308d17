"""How several views of an image lie on it: those of several calls of a module, or of several parts of its batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from lightning_cnnviz.model.layers.turns import Turn
from lightning_cnnviz.model.outputs.graph import Node
from lightning_cnnviz.model.survey.disturbance import Trace, changed_rows


@dataclass
class Called:
    """One call of a module.

    Attributes:
        tensor: what it put out.
        node: where that comes from in the graph, None if it is in none.
        taken: what it was given, None if that was no tensor.
        disturbed: what it put out when an edge of the first image was changed, edge by edge.
        taken_disturbed: what it was given then.
        dismissed: whether the score was found not to depend on it.
        finished: how many calls of any module had finished before it did.
    """

    tensor: Tensor
    node: Node | None
    taken: Tensor | None = None
    disturbed: list[Tensor] = field(default_factory=list)
    taken_disturbed: list[Tensor | None] = field(default_factory=list)
    dismissed: bool = False
    finished: int = 0


@dataclass(frozen=True)
class Parts:
    """How the parts of each sample lie in a batch.

    Attributes:
        interleaved: whether the first parts of all samples come first.
        turns: what brings each part back onto the image.
    """

    interleaved: bool
    turns: tuple[Turn, ...]


class Placing:
    """Judges where views are first taken, by the images themselves as a rule: further down maps are blurred.

    Args:
        modules: the calls of each module with weights, in the order in which the modules begin.
        samples: N.
    """

    def __init__(self, modules: Sequence[list[Called]], samples: int) -> None:
        self.samples = samples
        self._called: dict[int, list[Called]] = {}
        self._folded: dict[int, Called] = {}
        self._found: dict[int, list[Trace | None]] = {}
        for calls in modules:
            self._called.setdefault(len(calls), calls)
            rows = len(calls[0].taken) if calls[0].taken is not None and calls[0].taken.ndim == 4 else 0
            self._folded.setdefault(rows, calls[0])

    def of_calls(self, calls: list[Called]) -> list[Trace | None]:
        """Where the edges of the images are in each call of a module, as the first one called as often shows."""
        times = len(calls)
        if times not in self._found:
            self._found[times] = [self._of_call(call) for call in self._called.get(times, calls)]
        found = self._found[times]
        return found if all(found) else [self._of_call(call) for call in calls]

    def of_parts(self, call: Called) -> Parts | str:
        """How the parts lie that a call puts out side by side in its batch, or why they cannot be drawn."""
        rows, count = len(call.tensor), len(call.tensor) // self.samples
        first = self._folded.get(rows)
        taken, after = (call.tensor, call.disturbed) if first is None else (first.taken, first.taken_disturbed)
        puts = f"puts out {count} maps for each sample, side by side in its batch"
        edges = [tensor for tensor in after if tensor is not None]
        changed = [None if taken is None else changed_rows(taken, tensor) for tensor in edges]
        if taken is None or not changed or not all(changed):
            return f"{puts}, in an order that cannot be told"
        found = {row for rows in changed for row in rows or ()}
        together, interleaved = list(range(count)), list(range(0, rows, self.samples))
        unlike = f"{puts}, of parts that do not lie alike, such as patches or crops"
        if found <= {*together} & {*interleaved}:
            return unlike
        if not (found <= {*together} or found <= {*interleaved}):
            return f"{puts}, in an order that cannot be told"
        order = together if found <= {*together} else interleaved
        traces = [trace for row in order if (trace := _trace(taken, edges, row, blurred=first is None)) is not None]
        turns = [trace.turn() for trace in traces]
        upright = [trace.turned(turn) for trace, turn in zip(traces, turns, strict=True)]
        if len(traces) < count or not all(trace.alike(upright[0]) for trace in upright):
            return unlike
        return Parts(order == interleaved, tuple(turns))

    def _of_call(self, call: Called) -> Trace | None:
        trace = None
        if call.taken is not None and call.taken.shape[:1] == (self.samples,):
            trace = _trace(call.taken, call.taken_disturbed, blurred=False)
        blurred = _trace(call.tensor, call.disturbed) if call.tensor.shape[:1] == (self.samples,) else None
        return trace or blurred


def _trace(tensor: Tensor, disturbed: Sequence[Tensor | None], row: int = 0, *, blurred: bool = True) -> Trace | None:
    before, after = tensor[row], [edge[row] for edge in disturbed if edge is not None and edge.shape == tensor.shape]
    if before.ndim == 2:  # tokens
        before, after = before.T[..., None], [tokens.T[..., None] for tokens in after]
    return Trace.of(before, after, blurred=blurred) if before.ndim == 3 else None
