"""Memory has its bytes and its size again, each storage whatever happens with the others."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from torch import Tensor

from lightning_cnnviz.guard.saved_memory import SavedMemory


def test_storages_that_exchanged_their_sizes_are_as_before() -> None:
    storages = [torch.zeros(4).untyped_storage() for _ in range(2)]
    saved = SavedMemory(storages)
    storages[0].resize_(8)
    storages[1].resize_(24).fill_(0)  # the same bytes as before, one after another
    saved.restore()
    assert [storage.nbytes() for storage in storages] == [16, 16]


@pytest.mark.parametrize("size", [4, 36])
def test_a_storage_shared_at_another_size_costs_the_others_nothing(size: int) -> None:
    tensors = [torch.ones(2) for _ in range(3)]
    saved = SavedMemory([tensor.untyped_storage() for tensor in tensors])
    for tensor in tensors:
        tensor.zero_()
    tensors[1].untyped_storage().resize_(size)
    tensors[1].untyped_storage().share_memory_()
    with pytest.raises(RuntimeError, match="size") if size == 4 else nullcontext():
        saved.restore()
    whole = tensors[::2] if size == 4 else tensors
    assert [tensor.tolist() for tensor in whole] == [[1.0, 1.0]] * len(whole)


def test_memory_is_compared_where_its_copy_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    """With torch's device without memory as that of the host."""
    compared: list[Tensor] = []
    monkeypatch.setattr(Tensor, "cpu", lambda tensor: tensor.to("meta"))
    monkeypatch.setattr(torch, "equal", lambda *pair: compared.extend(pair) or True)
    SavedMemory([torch.ones(2).untyped_storage()], on_host=True).restore()
    assert [tensor.device.type for tensor in compared] == ["meta", "meta"]
