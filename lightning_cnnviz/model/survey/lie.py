"""How what the first layer is given lies on the images: models may turn, crop, pad or zoom them themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from lightning_cnnviz.guard.process_state import seed
from lightning_cnnviz.model.hooks import Reached, hooked, image_like
from lightning_cnnviz.model.layers.frame import Frame
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.model.layers.turns import TURNS, UPRIGHT, Turn
from lightning_cnnviz.model.survey.disturbance import disturbed
from lightning_cnnviz.model.survey.first_call import SEED
from lightning_cnnviz.model.survey.places import find_places
from lightning_cnnviz.model.survey.placing import Called

_CHANGED = 0.1  # of the strongest change: a column that changes with its own pixels, not with the mean of all
_LIKE = 0.2  # how much like each other, from -1 to 1, a change and what becomes of it are at least where both lie alike
_NEAR = 1.5  # pixels of the image that a place may lie beside where it is expected, or a whole place
_FITTING = 0.5  # the share of the places that must lie there; padding by reflection does not
_STRAYED = 0.05  # the share that may come from beyond the edges that are found, as after rolling
_LEAST = 2.0  # so many pixels of the image are seen: where all places see all of it, chance says where each is from
_PIXELS = 1.0  # an edge may be so far from the image's own, or a place, as strides and kernels that no hook sees shift
_FEW = 4  # so many places behind layers that no hook sees each depend on much of the image, and tell little
_PARTS = 4  # of a pixel, to which edges are told

_SCATTERED = (
    "what the first layer is given does not lie on the image as one piece, as after rolling or warping it: maps may "
    "lie elsewhere on the samples than where they come from"
)


def is_in_doubt(call: Called, images: Tensor) -> bool:
    """Whether what a layer is given may be another part of the images than all of it.

    Args:
        call: of the first layer with weights, with the left edge of the first image disturbed.
        images: (N, C, H, W) what the model is given.
    """
    taken, after = call.taken, call.taken_disturbed[0] if call.taken_disturbed else None
    if taken is None or taken.ndim != 4 or len(taken) != len(images):
        return False
    if taken.shape[2:] != images.shape[2:]:
        return True
    if after is None or after.shape != taken.shape:
        return False
    change = (after[0] - taken[0]).detach().float().square().sum(dim=0)
    columns = change.sum(dim=0)
    changed = (columns > _CHANGED * columns.max()).nonzero().flatten()
    edge = max(1, images.shape[3] // 4)
    if not len(changed) or int(changed[0]) > 0 or abs(int(changed[-1]) + 1 - edge) > 1:
        return True
    made = (disturbed(images, "left") - images)[0].detach().float().square().sum(dim=0)
    sizes = [one[:, :edge].sqrt().flatten() for one in (made, change)]
    return not float(torch.corrcoef(torch.stack(sizes))[0, 1]) > _LIKE  # also where it is not a number


@dataclass(frozen=True, slots=True)
class Lie:
    """How what a layer is given lies on the images.

    Attributes:
        turn: what turns it back.
        frame: the part of the image that it then covers, None for all of it.
        remark: what to tell the reader.
        straight: layers before it that see the image as it is, such as one that normalises it.
    """

    turn: Turn = UPRIGHT
    frame: Frame | None = None
    remark: str | None = None
    straight: frozenset[str] = frozenset()

    def of_layers(self, layout: Layout) -> Layout:
        """The layers of a model of which it is known how the images lie that they see."""
        layers = tuple(
            layer if self.remark or layer.name in self.straight else layer.lying(self.turn) for layer in layout.layers
        )
        return replace(layout, layers=layers, frame=self.frame, unframed=self.straight)


def find_lie(name: str, module: nn.Module, entry: Callable[[Tensor], Any], images: Tensor) -> Lie | None:
    """How what the first layer with weights is given lies on the images, None if that cannot be told.

    Args:
        name: of the layer.
        module: it.
        entry: what to call with the images.
        images: (N, C, H, W)
    """

    def given(changed: Tensor) -> Tensor | None:
        taken = _taken(name, module, entry, changed)
        return taken if taken is not None and taken.ndim == 4 else None

    where, size = find_places(given, _grained(images)), (images.shape[2], images.shape[3])
    if where is None:
        return None
    coarse = any(count <= _FEW < length / count for count, length in zip(where.shape[1:], size, strict=True))
    return None if coarse else _lie(where, size)


def _grained(images: Tensor) -> Tensor:
    """The images, half of them noise: models may cut off what is nearly black or white."""
    low, high = float(images.amin()), float(images.amax())
    noise = torch.rand(images.shape, generator=torch.Generator().manual_seed(SEED)).to(images)
    return images / 2 + (low + high) / 4 + (noise - 0.5) * (high - low) / 4


def _lie(where: Tensor, size: tuple[int, int]) -> Lie:
    for turn in TURNS:
        rows, columns = turn.undone(where)
        down, across = _fit(rows, size[0]), _fit(columns.T, size[1])
        if down is not None and across is not None:
            fills = _fills(down, len(rows), size[0]) and _fills(across, columns.shape[1], size[1])
            return Lie(turn, None if fills else Frame(down[0], across[0], down[1], across[1]))
    return Lie(remark=_SCATTERED)


def _fills(edges: tuple[float, float], count: int, length: int) -> bool:
    """Whether so many places cover all of an image's side."""
    return max(abs(edges[0]), abs(edges[1] - 1)) <= max(_PIXELS / length, 1 / count)


def _fit(places: Tensor, length: int) -> tuple[float, float] | None:
    """The first and last edge of places (h, w) that grow with the row, as shares of the image; None if they do not."""
    known = places.isfinite()
    if len(places) < 2 or not bool(known.any()):
        return None
    # Neighbors are one place where an image is enlarged without smoothing.
    apart = max(1, int(known.any(dim=1).sum()) // 2)
    step = float((places[apart:] - places[:-apart]).flatten().nanmedian() / apart)
    expected = step * torch.arange(len(places), device=places.device)[:, None]
    start = float((places - expected).flatten().nanmedian())
    first, last = start - step / 2, start + step * (len(places) - 0.5)
    slack = max(_NEAR / length, step)
    near = (places - expected - start).abs() < slack
    strayed = (places < first - slack) | (places > last + slack)
    fitting, straying = (float(places.sum() / known.sum()) for places in (near, strayed))
    if not (last - first) * length > _LEAST or fitting < _FITTING or straying > _STRAYED:
        return None
    parts = _PARTS * length
    return round(first * parts) / parts, round(last * parts) / parts


def _taken(name: str, module: nn.Module, entry: Callable[[Tensor], Any], images: Tensor) -> Tensor | None:
    """What a layer is given in its first call; what would follow is not computed."""
    found: list[Tensor] = []

    def end(_: str, arguments: Any) -> None:
        tensor = image_like(arguments)
        if tensor is not None:
            found.append(tensor.detach())
        raise Reached

    modules: Mapping[str, nn.Module] = {name: module}
    seed(SEED)
    try:
        with hooked(modules, lambda _, output: None, end), torch.no_grad():
            entry(images)
    except Reached:
        pass
    return found[0] if found else None
