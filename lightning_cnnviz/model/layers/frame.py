"""Where on the image the maps of a model lie that crops, pads or zooms its images itself."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Frame:
    """The part of the image that maps cover, its edges as shares of the image: below 0 and above 1 is padding.

    Attributes:
        top: edge.
        left: edge.
        bottom: edge.
        right: edge.
    """

    top: float
    left: float
    bottom: float
    right: float

    def on_image(self, maps: Tensor) -> Tensor:
        """Maps (N, h, w) of the part as maps of the whole image, zero where the model sees nothing of it.

        >>> Frame(0.0, 0.5, 1.0, 1.0).on_image(torch.ones(1, 1, 1))
        tensor([[[0., 1.]]])
        """
        down, across = self.bottom - self.top, self.right - self.left
        height, width = max(1, round(maps.shape[1] / down)), max(1, round(maps.shape[2] / across))
        rows = (_centers(height, maps) - self.top) / down
        columns = (_centers(width, maps) - self.left) / across
        grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)
        wide = maps.float()[:, None]
        found = F.grid_sample(
            wide, 2 * grid.expand(len(maps), -1, -1, -1) - 1, padding_mode="border", align_corners=False
        )
        inside = ((grid >= 0) & (grid <= 1)).all(dim=-1)
        return (found[:, 0] * inside).to(maps.dtype)


def _centers(count: int, like: Tensor) -> Tensor:
    return (torch.arange(count, device=like.device, dtype=torch.float32) + 0.5) / count
