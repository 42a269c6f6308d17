"""What the tests of large memory share."""

from __future__ import annotations

import pytest
import torch

from lightning_cnnviz.guard import large_memory
from lightning_cnnviz.guard.saved_memory import SavedMemory


@pytest.fixture
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightning_cnnviz.guard.saved_tensors._SMALL", 0)
    monkeypatch.setattr(large_memory, "_COPIED_AT_ONCE", 0)


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes of every copy that is made of large memory."""
    sizes: list[int] = []

    class Counted(SavedMemory):
        def __init__(self, storages: list[torch.UntypedStorage], *, on_host: bool = False) -> None:
            super().__init__(storages, on_host=on_host)
            sizes.extend(storage.nbytes() for storage in storages)

    monkeypatch.setattr(large_memory, "SavedMemory", Counted)
    return sizes
