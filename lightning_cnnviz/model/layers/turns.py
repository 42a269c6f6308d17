"""The eight ways in which an image can be turned or mirrored before a module sees it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Turn:
    """What brings maps of a turned or mirrored image back onto the image.

    Attributes:
        quarters: quarter turns against the clock.
        mirrored: whether left and right are exchanged after them.
    """

    quarters: int = 0
    mirrored: bool = False

    def undone(self, maps: Tensor) -> Tensor:
        """Maps (..., h, w) as they lie on the image.

        >>> import torch
        >>> Turn(mirrored=True).undone(torch.tensor([[1, 2], [3, 4]]))
        tensor([[2, 1],
                [4, 3]])
        """
        if self.quarters:
            maps = maps.rot90(self.quarters, (-2, -1))
        return maps.flip(-1) if self.mirrored else maps


UPRIGHT = Turn()
TURNS = tuple(Turn(quarters, mirrored) for quarters in range(4) for mirrored in (False, True))
