"""Outputs of transformers as maps: positions in a row or in a grid, each with its channels last."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

MOST_PREFIX_TOKENS = 16  # class, distillation and register tokens; sixteen registers is the most in use


@dataclass(frozen=True, slots=True)
class TokenGrid:
    """Where the places of an image are in an output (N, prefix + h·w, K) or (N, h, w, K).

    Attributes:
        height: of the maps.
        width: of the maps.
        prefix: tokens before those of the image, such as a class token.
        suffix: tokens after them.
    """

    height: int
    width: int
    prefix: int = 0
    suffix: int = 0

    def as_maps(self, output: Tensor) -> Tensor:
        """Maps (N, K, h, w) without the prefix tokens.

        >>> import torch
        >>> tokens = torch.tensor([[[9.0], [1.0], [2.0], [3.0], [4.0]]])  # a class token and four places
        >>> TokenGrid(2, 2, prefix=1).as_maps(tokens)
        tensor([[[[1., 2.],
                  [3., 4.]]]])
        """
        places = self.places(output.flatten(1, -2))
        return places.transpose(1, 2).reshape(*places.shape[::2], self.height, self.width)

    @property
    def others(self) -> int:
        """How many tokens are of no place."""
        return self.prefix + self.suffix

    def places(self, tokens: Tensor) -> Tensor:
        """Tokens (N, prefix + h·w + suffix, K) without those of no place."""
        return tokens[:, self.prefix : self.prefix + self.height * self.width]

    def starting(self, before: Tensor, after: Tensor, edge: float) -> TokenGrid:
        """The grid with its other tokens where they are: before those of the image, or after them.

        Args:
            before: (N, tokens, K) what the first layer is given.
            after: the same with the left edge of the first image changed.
            edge: how wide that is, as a share of the image.
        """
        changed = (after[0] - before[0]).abs().amax(dim=1).nonzero().flatten()
        others, most = self.others, math.ceil(edge * self.width)
        for start in (others, 0):
            at = changed - start
            inside = (at >= 0) & (at < self.height * self.width) & (at % self.width <= most)
            if len(at) and bool(inside.all()):
                return replace(self, prefix=start, suffix=others - start)
        return self


def has_channels_last(module: nn.Module, shape: Sequence[int]) -> bool:
    """Whether an output of this shape has its channels last because of the module that put it out."""
    if isinstance(module, nn.Linear):
        return len(shape) > 1
    # Normalisations that permute to channels last and back are derived from nn.LayerNorm, too.
    return isinstance(module, nn.LayerNorm) and len(shape) > 1 and (shape[-1],) == module.normalized_shape != shape[:1]


def find_grid(
    shape: Sequence[int], image_size: tuple[int, int], map_sizes: Iterable[tuple[int, int]]
) -> TokenGrid | None:
    """The grid of an output with channels last, None if it can't be told.

    Args:
        shape: of the output for one sample, (h, w, K) or (prefix + h·w, K).
        image_size: height and width of the model's input.
        map_sizes: heights and widths of the maps that the model's convolutions put out. Later stages of a transformer
            merge their tokens two by two, so that halves of these sizes count, too.
    """
    sizes = list(dict.fromkeys(map_sizes))
    if len(shape) == 3:
        height, width = shape[:2]
        skew = abs(height * image_size[1] - width * image_size[0])
        # A window and its pixels are two dimensions as well; only the image's own have its proportions.
        known = not sizes or (height, width) in {*sizes, *_halved(sizes)}
        return TokenGrid(height, width) if height * width > 1 and skew <= max(image_size) and known else None
    grids = [grid_of(shape, size) for size in sizes]
    # A prefix is only ever put before the first tokens, never before merged ones.
    grids += [grid for grid in (grid_of(shape, size) for size in _halved(sizes)) if grid is None or not grid.prefix]
    return min((grid for grid in grids if grid is not None), key=lambda grid: grid.prefix, default=None)


def _halved(sizes: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """What is left of heights and widths after halving them once or several times, rounded up or down."""
    found: list[tuple[int, int]] = []
    for size in sizes:
        smaller = {size}
        while smaller:
            halves = {((h + up) // 2, (w + up) // 2) for h, w in smaller for up in (0, 1) if h > 1 and w > 1}
            smaller = {half for half in halves if half[0] * half[1] > 1}
            found += sorted(smaller)
    return list(dict.fromkeys(found))


def grid_of(shape: Sequence[int], size: tuple[int, int]) -> TokenGrid | None:
    """The grid of this height and width in tokens (prefix + h·w, K), None if it does not fit them."""
    if len(shape) != 2 or shape[1] <= 1 or size[0] * size[1] <= 1:
        return None
    prefix = shape[0] - size[0] * size[1]
    return TokenGrid(*size, prefix) if 0 <= prefix <= MOST_PREFIX_TOKENS else None
