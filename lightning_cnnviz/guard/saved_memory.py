"""The memory behind tensors, copied byte by byte."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import torch
from torch import Tensor


class SavedMemory:
    """Every byte of some storages, which lie on one device.

    Attributes:
        wrote: whether anything had to be written back.
    """

    def __init__(self, storages: Sequence[torch.UntypedStorage], *, on_host: bool = False) -> None:
        self.name = "the memory of the model's tensors"
        self._storages = [(storage, storage.nbytes()) for storage in storages]
        copy = self._read()
        self._copy = copy.cpu() if on_host else copy
        self.wrote = False

    def differs(self) -> bool:
        """False: to compare every byte once more would be too dear."""
        return False

    def restore(self) -> None:
        """Writes what differs, each storage whatever happens with the others."""
        if len(self._storages) > 1:  # many small ones are compared in one go
            with suppress(Exception):
                if self._same(self._read(), self._copy):
                    return
        failed: list[Exception] = []
        start = 0
        for storage, size in self._storages:
            try:
                # What was shared with other processes meanwhile keeps its size: to change it would end this one.
                if storage.nbytes() != size and not (storage.device.type == "cpu" and storage.is_shared()):
                    storage.resize_(size)
                kept, now = self._copy[start : start + size], _bytes(storage)[:size]
                if not self._same(now, kept):
                    self.wrote = True
                    now.copy_(kept)
            except Exception as error:
                failed.append(error)
            start += size
        if failed:
            raise failed[0]

    def _read(self) -> Tensor:
        if any(storage.nbytes() != size for storage, size in self._storages):
            raise ValueError("a storage has another size")
        parts = [_bytes(storage) for storage, _ in self._storages]
        return torch.cat(parts) if len(parts) > 1 else parts[0].clone()

    @staticmethod
    def _same(now: Tensor, kept: Tensor) -> bool:
        now = now.to(kept.device)
        if now.nbytes % 8 == 0 and kept.storage_offset() % 8 == 0:  # which takes a third of the time
            now, kept = now.view(torch.int64), kept.view(torch.int64)
        return torch.equal(now, kept)


def _bytes(storage: torch.UntypedStorage) -> Tensor:
    return torch.empty(0, dtype=torch.uint8, device=storage.device).set_(storage)
