"""From where in the image each place is of what a layer is given, found by changing single pixels of the images."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

_STEP = 0.1  # of the images' spread, by which they are changed
_ROUNDING = 64.0  # so much larger than what is rounded off is it at least
_ROUNDS = 4  # in each of which another part of the pixels is changed
_LIVE = 0.05  # of the strongest change: a place that depends on the image


def find_places(given: Callable[[Tensor], Tensor | None], images: Tensor) -> Tensor | None:
    """(2, h, w) from which row and column, as shares of the image, each place is; NaN where from none.

    Scattered pixels are changed a little, then the same ones by less the further up they are, and the further to the
    left: by how much less a place changes says where the pixels lie that it depends on. Squares make those count that
    matter to it, whatever the signs of weights and however little all others do to it, as by the mean of the image.

    Args:
        given: what the layer is given (N, K, h, w) when the model is called with images, None if nothing like it.
        images: (N, C, H, W)
    """
    before = given(images.clone())  # which the model may change in place
    if before is None:
        return None
    ramps = [(torch.arange(length, device=images.device) + 0.5) / length for length in images.shape[2:]]
    shares = [torch.ones((), device=images.device), ramps[0][:, None], ramps[1][None]]
    rounds = []
    for nudge in _nudges(images):
        taken = [given(images + (share * nudge).to(images)) for share in shares]
        changes = [_change(before, one) for one in taken if one is not None and one.shape == before.shape]
        if len(changes) < len(shares):
            return None
        rounds.append(torch.stack([(changes[0] * change).sum(dim=(0, 1)) for change in changes]))
    weights, *moved = torch.stack(rounds).sum(dim=0)
    live = weights > _LIVE**2 * weights.max()
    if not bool(live.any()):
        return None
    return torch.stack([(one / weights).where(live, torch.nan) for one in moved])


def _nudges(images: Tensor) -> Iterator[Tensor]:
    """Changes of scattered pixels, of each one once; the range of the values of each channel stays what it is."""
    values = images.float()
    share = max(_STEP, _ROUNDING * torch.finfo(images.dtype).eps)
    step = share * float(values.std().nan_to_num()) or share
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(2, images.shape, generator=generator).to(values) * 2 - 1
    rounds = torch.randint(_ROUNDS, images.shape, generator=generator).to(images.device)
    change = step * signs
    lowest, highest = values.amin(dim=(2, 3), keepdim=True), values.amax(dim=(2, 3), keepdim=True)
    outside = (values + change < lowest) | (values + change > highest)
    change = change.where(~outside, -change).flatten(2)
    for extreme in (values.flatten(2).argmin(dim=2), values.flatten(2).argmax(dim=2)):
        change.scatter_(2, extreme[..., None], 0.0)
    change = change.view_as(values)
    for number in range(_ROUNDS):
        yield change * (rounds == number)


def _change(before: Tensor, after: Tensor) -> Tensor:
    """What changed, (N, K, h, w), but for what changed everywhere in a channel."""
    change = after.float() - before.float()
    return change - change.flatten(2).median(dim=2).values[..., None, None]
