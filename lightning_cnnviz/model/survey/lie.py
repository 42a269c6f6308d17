"""How what the first layer is given lies on the images: models may turn, crop, pad or zoom them themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lightning_cnnviz.model.hooks import hooked, image_like
from lightning_cnnviz.model.layers.frame import Frame
from lightning_cnnviz.model.layers.turns import TURNS, UPRIGHT, Turn
from lightning_cnnviz.model.survey.placing import Called

_STEP = 0.1  # of the images' spread, by which they are changed
_LIVE = 0.05  # of the strongest change: a place that depends on the image
_NEAR = 1.5  # pixels of the image that a place may lie beside where it is expected
_FITTING = 0.5  # the share of the places that must lie there; padding by reflection does not
_PIXELS = 1.0  # an edge may be so far from the image's own

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
    changed = ((after[0] - taken[0]).abs().amax(dim=(0, 1)) > 0).nonzero().flatten()
    edge = max(1, images.shape[3] // 4)
    return not len(changed) or int(changed[0]) > 0 or abs(int(changed[-1]) + 1 - edge) > 1


@dataclass(frozen=True, slots=True)
class Lie:
    """How what a layer is given lies on the images.

    Attributes:
        turn: what turns it back.
        frame: the part of the image that it then covers, None for all of it.
        remark: what to tell the reader.
    """

    turn: Turn = UPRIGHT
    frame: Frame | None = None
    remark: str | None = None


def find_lie(name: str, module: nn.Module, entry: Callable[[Tensor], Any], images: Tensor) -> Lie | None:
    """How what the first layer with weights is given lies on the images, None if that cannot be told.

    The images are changed a little everywhere, and by ramps: the changes that reach the layer say of each of its places
    where in the image it is from.

    Args:
        name: of the layer.
        module: it.
        entry: what to call with the images.
        images: (N, C, H, W)
    """
    grey = torch.full_like(images, float(images.amin() + images.amax()) / 2)  # where black and white are cut off
    for base in (images, grey):
        where = _places(name, module, entry, base)
        if where is not None:
            return _lie(where, (images.shape[2], images.shape[3]))
    return None


def _places(name: str, module: nn.Module, entry: Callable[[Tensor], Any], images: Tensor) -> Tensor | None:
    """(2, h, w) from which row and column, as shares of the image, each place is; NaN where from none."""
    ramps = [(torch.arange(length, device=images.device) + 0.5) / length for length in images.shape[2:]]
    step = _STEP * float(images.float().std().nan_to_num()) or _STEP
    changes = [torch.zeros(()), torch.ones(()), ramps[0][:, None], ramps[1][None]]
    given = [_taken(name, module, entry, images + step * change.to(images)) for change in changes]
    found = [taken[0].float() for taken in given if taken is not None and taken.ndim == 4]
    if len(found) < len(changes) or any(taken.shape != found[0].shape for taken in found):
        return None
    weights, *weighed = [(taken - found[0]).sum(dim=0) for taken in found[1:]]
    live = weights.abs() > _LIVE * weights.abs().max()
    if not bool(live.any()):
        return None  # such as after taking the mean out of each image
    return torch.stack([(moved / weights).where(live, torch.nan) for moved in weighed])


def _lie(where: Tensor, size: tuple[int, int]) -> Lie:
    for turn in TURNS:
        rows, columns = turn.undone(where)
        down, across = _fit(rows, size[0]), _fit(columns.T, size[1])
        if down is not None and across is not None:
            edges = down[0], down[1] - 1, across[0], across[1] - 1
            off = max(abs(edge) * size[number // 2] for number, edge in enumerate(edges))
            return Lie(turn, None if off <= _PIXELS else Frame(down[0], across[0], down[1], across[1]))
    return Lie(remark=_SCATTERED)


def _fit(places: Tensor, length: int) -> tuple[float, float] | None:
    """The first and last edge of places (h, w) that grow with the row, as shares of the image; None if they do not."""
    if len(places) < 2:
        return None
    known_rows = int(places.isfinite().any(dim=1).sum())
    apart = max(1, known_rows // 2)  # neighbors are one place where an image is enlarged without smoothing
    step = (places[apart:] - places[:-apart]).flatten().nanmedian() / apart
    expected = step * torch.arange(len(places), device=places.device)[:, None]
    start = (places - expected).flatten().nanmedian()
    known = places[places.isfinite()]
    near = ((places - expected - start).abs() < _NEAR / length)[places.isfinite()]
    if not bool(step > 0) or float(near.float().mean()) < _FITTING or not len(known):
        return None
    return float(start - step / 2), float(start + step * (len(places) - 0.5))


class _Reached(BaseException):  # not an Exception: a model may catch those
    """Ends a forward pass where the layer begins."""


def _taken(name: str, module: nn.Module, entry: Callable[[Tensor], Any], images: Tensor) -> Tensor | None:
    """What a layer is given in its first call; what would follow is not computed."""
    found: list[Tensor] = []

    def end(_: str, arguments: Any) -> None:
        tensor = image_like(arguments)
        if tensor is not None:
            found.append(tensor.detach())
        raise _Reached

    modules: Mapping[str, nn.Module] = {name: module}
    try:
        with hooked(modules, lambda _, output: None, end), torch.no_grad():
            entry(images)
    except _Reached:
        pass
    return found[0] if found else None
