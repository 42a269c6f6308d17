"""Signs of a shortcut in maps (N, h, w): a model that looks at a logo, a border or always at the same place.

Each sample's map counts the same, however strong it is; maps that are blank or not finite are left out of all means,
and a mean over none is 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_cnnviz.drift.distances import centres, diagonal

_BORDER = 1 / 8


def border_share(maps: Tensor) -> float:
    """Mean share of a map's mass on the border: an eighth of the side, at least one pixel. From 0 to 1.

    A map without structure has half of its mass there too: 24/49 at 7×7 and 14×14.
    """
    mass = _unit_mass(maps)
    if not len(mass):
        return 0.0
    return float((mass * _border(mass)).sum(dim=(1, 2)).mean())


def entropy(maps: Tensor) -> float:
    """Mean entropy of the maps over that of an even one: 0 is one pixel, 1 is everywhere."""
    mass = _unit_mass(maps)
    pixels = maps.shape[1] * maps.shape[2]
    if not len(mass) or pixels == 1:
        return 0.0
    return float(-torch.xlogy(mass, mass).sum(dim=(1, 2)).mean() / math.log(pixels))


def centre_spread(maps: Tensor) -> float:
    """Root mean squared distance of the maps' centres from their common centre, from 0 to 0.5 of the diagonal.

    Near 0 the model looks at one place in all samples, whatever they show. Objects that are all centred do that too.
    """
    places = centres(maps)
    places = places[places.isfinite().all(dim=1)]
    if not len(places):
        return 0.0
    return float((places - places.mean(dim=0)).square().sum(dim=1).mean().sqrt()) / diagonal(maps)


def attention_in_region(maps: Tensor, regions: Tensor) -> Tensor:
    """Share of each map's mass inside its region, (N,) from 0 to 1.

    NaN for maps that are blank or not finite, and for samples whose region is empty.

    Args:
        maps: (N, h, w), not negative.
        regions: (N, H, W) boolean, of the images; averaged or repeated to the size of the maps.
    """
    size = (maps.shape[1], maps.shape[2])
    # Averages areas where the region is finer than the map, repeats its pixels where it is coarser.
    inside = F.adaptive_avg_pool2d(regions.double(), size)
    mass = maps.detach().cpu().double().clamp_min(0)
    share = (mass * inside).sum(dim=(1, 2)) / mass.sum(dim=(1, 2))
    return share.where(regions.flatten(1).any(dim=1), torch.nan).float()


OF_MAPS: Mapping[str, Callable[[Tensor], float]] = {"border": border_share, "entropy": entropy, "spread": centre_spread}
IN_REGION = "attention_in_region"


def _unit_mass(maps: Tensor) -> Tensor:
    mass = maps.detach().double().clamp_min(0)
    total = mass.sum(dim=(1, 2), keepdim=True)
    share = mass / total
    return share[share.isfinite().flatten(1).all(dim=1)]


def _border(maps: Tensor) -> Tensor:
    height, width = maps.shape[1:]
    rows, columns = max(1, round(height * _BORDER)), max(1, round(width * _BORDER))
    border = torch.ones(height, width, dtype=torch.bool, device=maps.device)
    border[rows : height - rows, columns : width - columns] = False
    return border
