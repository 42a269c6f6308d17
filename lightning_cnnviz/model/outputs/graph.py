"""The autograd graph of one forward pass: what a score depends on, and what depends on the images."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, TypeAlias

from torch import Tensor
from torch.autograd.graph import get_gradient_edge

Node: TypeAlias = Any  # torch.autograd.graph.Node, which cannot be hashed by its annotations

RESHAPING = (
    *("View", "UnsafeView", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Permute", "T", "Clone", "Alias"),
    *("ToCopy", "Expand"),
)
"""Operations that leave all numbers as they are."""


def is_one_of(node: Node | None, kinds: Collection[str]) -> bool:
    """Whether a node is of an operation, named as in ``AddBackward0`` without the end."""
    return node is not None and node.name().partition("Backward")[0] in kinds


def node_of(tensor: Tensor) -> Node | None:
    """Where a tensor comes from in the graph, None if it is in none. Ask before it is changed in place."""
    return get_gradient_edge(tensor).node if tensor.requires_grad else None


class Graph:
    """A graph, walked once.

    Args:
        scores: what is explained.
        images: what the model was given.
        nodes: where other tensors come from, see :func:`node_of`.
    """

    def __init__(self, scores: Tensor | None, images: Tensor, nodes: Iterable[Node]) -> None:
        root = None if scores is None else node_of(scores)
        self._behind_scores = None if root is None else set(walked([root]))
        start = node_of(images)
        users: dict[Node, list[Node]] = {}
        for node in walked(filter(None, [root, *nodes])):
            for before, _ in node.next_functions:
                if before is not None:
                    users.setdefault(before, []).append(node)
        self._of_images = set() if start is None else _reached(start, users)

    def matters(self, node: Node | None) -> bool | None:
        """Whether the scores depend on what a node puts out; None if that cannot be told."""
        if node is None or self._behind_scores is None:
            return None
        return node in self._behind_scores

    def depends_on_images(self, node: Node | None) -> bool | None:
        """Whether what a node puts out depends on the images; None if that cannot be told."""
        return None if node is None else node in self._of_images


def walked(roots: Iterable[Node]) -> list[Node]:
    """All nodes from which something comes to these, themselves included."""
    seen: dict[Node, None] = {}
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen[node] = None
            waiting += [before for before, _ in node.next_functions if before is not None]
    return list(seen)


def _reached(start: Node, users: dict[Node, list[Node]]) -> set[Node]:
    seen: set[Node] = set()
    waiting = [start]
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting += users.get(node, [])
    return seen
