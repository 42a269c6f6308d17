"""Whether a part of a checkpoint is what was put there: what is torn may load all the same, and be drawn."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

_PRIMITIVES = (type(None), bool, int, float, complex, str, bytes)


def checksum(state: Any) -> int:
    """Of tensors, primitives and containers of them, by value, kind and shape, of what else there is by kind alone.

    The device does not matter.
    """
    found = 0
    for part in _parts(state):
        found = zlib.crc32(part, found)
    return found


def check_intact(state: Any, expected: object) -> None:
    """Checks a state against the checksum that was taken of it.

    Raises:
        ValueError: it is another one.
    """
    if checksum(state) != expected:
        raise ValueError("it is not what was saved there")


def _parts(state: Any) -> Iterator[Any]:
    if isinstance(state, Tensor) and state.layout is torch.strided and not state.is_quantized:
        tensor = state.detach().cpu().contiguous()
        yield f"{tensor.dtype}{tuple(tensor.shape)}".encode()
        yield tensor.reshape(-1).view(torch.uint8).numpy().data
    elif isinstance(state, Mapping):
        yield f"mapping {len(state)}".encode()
        for key, value in state.items():
            yield repr(key).encode()
            yield from _parts(value)
    elif isinstance(state, (list, tuple)):
        yield f"{type(state).__name__} {len(state)}".encode()
        for value in state:
            yield from _parts(value)
    elif isinstance(state, _PRIMITIVES):
        yield repr(state).encode(errors="surrogatepass")
    else:  # of a view of the user's; what it prints need not be the same in another process
        yield type(state).__qualname__.encode()
