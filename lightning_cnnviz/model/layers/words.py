"""What the words "auto", "first", "last" and "all" mean among the layers of one model."""

from __future__ import annotations

from collections.abc import Sequence

from lightning_cnnviz.model.layers.layer import Layer

ATTENTION = ("attention", "attn")
"""What the classes of attention modules have in their names."""

_FOLDED = 1.5  # a step that makes maps as much taller and narrower is no pooling


def that_matter(candidates: list[Layer]) -> list[Layer]:
    """The layers on which the score explained depends, as far as that can be told."""
    varying = [layer for layer in candidates if not layer.constant]
    return [layer for layer in varying if layer.matters is not False] or varying


def that_gradients_reach(candidates: list[Layer]) -> list[Layer]:
    """The layers that are in the graph of the score, without those under ``no_grad``; all where none is in it."""
    return [layer for layer in candidates if layer.matters] or candidates


def convolutions_by_word(word: str, candidates: list[Layer]) -> list[str]:
    """The names of the convolutions that a word means; none if there are no candidates."""
    names = [layer.name for layer in candidates]
    return names if word == "all" or not names else names[-1:] if word == "last" else [_first(candidates).name]


def maps_by_word(word: str, candidates: list[Layer], layers: Sequence[Layer], *, of_places: bool) -> list[str]:
    """The names of the layers with maps that a word means.

    Args:
        word: one of the four.
        candidates: the layers that have maps.
        layers: all of the model.
        of_places: whether the model's output is one of places, as masks are.

    Returns:
        The names; none if there is no layer that the word could mean.
    """
    convolutions = [layer for layer in candidates if layer.is_convolution]
    anchors = [layer for layer in candidates if layer.is_convolution or layer.grid is not None]
    if not anchors or (not convolutions and word == "first"):
        return []
    if word == "first":
        return [_first(convolutions).name]
    if word == "all":
        return [layer.name for layer in candidates if not layer.repeats_child]
    if word == "last" and of_places:
        inner = [layer for layer in anchors if not layer.is_output] or anchors
        smallest = min((layer.spatial or (0, 0) for layer in inner), key=lambda size: size[0] * size[1])
        found = [layer.name for layer in candidates if layer.spatial == smallest and not layer.is_output]
        return found[-1:] or [inner[-1].name]
    inside, outside = _attention(candidates, layers)
    last_of_size = {layer.spatial: layer.name for layer in [*inside, *outside]}
    sizes = _sizes(anchors)
    return [last_of_size[size] for size in (sizes[-1:] if word == "last" else sizes)]


def _attention(candidates: list[Layer], layers: Sequence[Layer]) -> tuple[list[Layer], list[Layer]]:
    """Layers that are parts of an attention module, and the others.

    Queries, values and the weights of attention are no maps that a block hands on; convolutions among them are.
    """
    modules = tuple(f"{layer.name}." for layer in layers if any(w in layer.kind.lower() for w in ATTENTION))
    parts = {layer.name for layer in candidates if layer.name.startswith(modules) and not layer.is_convolution}
    inside = [layer for layer in candidates if layer.name in parts]
    return inside, [layer for layer in candidates if layer.name not in parts]


def _sizes(anchors: list[Layer]) -> list[tuple[int, int] | None]:
    """The sizes of maps, one after the other, without those that come of folding places into rows of patches."""
    kept: list[tuple[int, int] | None] = []
    for height, width in (layer.spatial or (0, 0) for layer in anchors):
        if kept and kept[-1] is not None:
            taller, wider = height / kept[-1][0], width / kept[-1][1]
            if (taller > _FOLDED and wider < 1 / _FOLDED) or (wider > _FOLDED and taller < 1 / _FOLDED):
                continue
        kept.append((height, width))
    return kept


def _first(candidates: list[Layer]) -> Layer:
    """The layer that was called first, however often it is called after that."""
    return min(candidates, key=lambda layer: layer.started)
