"""Which channels of a layer are drawn: those that the user names, or so many that vary most; the same at every look."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lightning_cnnviz.arguments import ArgumentError


class Channels:
    """The channels that are drawn of each layer.

    Args:
        asked: which ones, or how many: those that vary most at the first look, and the same from then on.
    """

    def __init__(self, asked: int | tuple[int, ...]) -> None:
        self._asked = asked
        self._chosen: dict[str, list[int]] = {}

    def check(self, layer: str, channels: int) -> None:
        """Checks that a layer of so many channels has those that the user names.

        Raises:
            ArgumentError: it has not.
        """
        wrong = [] if isinstance(self._asked, int) else [one for one in self._asked if not 0 <= one < channels]
        if wrong:
            raise ArgumentError(f"channels={wrong} are out of range: {layer} has channels 0 to {channels - 1}")

    def known(self, layer: str, channels: int) -> list[int] | None:
        """Those of a layer of so many channels; None where they are still to be chosen."""
        if not isinstance(self._asked, int):
            return list(self._asked)
        chosen = self._chosen.get(layer)
        return None if chosen is None or max(chosen) >= channels else chosen

    def of(self, layer: str, activations: Tensor) -> list[int]:
        """Those of a layer, chosen by its activations (N, K, h, w) if need be."""
        chosen = self.known(layer, activations.shape[1])
        if chosen is None:
            assert isinstance(self._asked, int), "what the user names is known"
            chosen = self._chosen[layer] = _most_varied(activations, self._asked)
        return chosen

    def state_dict(self) -> dict[str, list[int]]:
        """Those that were chosen, by layer."""
        return dict(self._chosen)

    def load_state_dict(self, state: Mapping[str, list[int]]) -> None:
        """Takes up what :meth:`state_dict` gave."""
        self._chosen = {layer: list(channels) for layer, channels in state.items()}


def _most_varied(activations: Tensor, count: int) -> list[int]:
    """The channels of (N, K, h, w) that vary most over samples and places, in ascending order.

    Variation, and not magnitude: a channel that the background lights up evenly is strong and says nothing. One that is
    not finite comes first, so that it is seen.
    """
    values = activations.float()
    # Not by var(), which takes three times as long.
    spread = (values - values.mean(dim=(0, 2, 3), keepdim=True)).square_().mean(dim=(0, 2, 3)).nan_to_num(nan=torch.inf)
    return sorted(spread.topk(min(count, len(spread))).indices.tolist())
