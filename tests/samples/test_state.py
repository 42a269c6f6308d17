"""How large the samples in a checkpoint may be, and what becomes of larger ones."""

from __future__ import annotations

import pytest
import torch

from lightning_cnnviz import FixedSamples
from lightning_cnnviz.samples.state import bounded, size_of, unbounded

MIB = 2**20


def of_bytes(count: int) -> FixedSamples:
    """Images of grey levels of bytes, which take so many bytes as floating point."""
    levels = torch.arange(count // 4) % 256
    return FixedSamples(levels.reshape(1, 1, 64, -1) / 255, mean=[0.0], std=[1.0])


def test_sixteen_mebibytes_are_kept_as_they_are_and_one_pixel_more_as_bytes() -> None:
    kept, told = bounded(of_bytes(16 * MIB))
    assert kept is not None
    assert isinstance(kept["images"], torch.Tensor)
    assert told is None

    samples = of_bytes(16 * MIB + 4 * 64)
    kept, told = bounded(samples)
    assert kept is not None
    assert told is not None
    assert "would take 16 MB in every checkpoint: they are kept as bytes" in told
    assert 4 * MIB < size_of(kept) < 4 * MIB + 1000
    again = FixedSamples.from_state_dict(unbounded(kept))
    assert again.images.dtype == torch.float32
    torch.testing.assert_close(again.images, samples.images, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("mebibytes", "is_kept"), [(63, True), (65, False)])
def test_what_is_too_large_even_as_bytes_is_not_kept(mebibytes: int, is_kept: bool) -> None:
    kept, told = bounded(of_bytes(mebibytes * MIB))
    assert (kept is not None) == is_kept
    assert told is not None
    assert ("are not kept there" in told) != is_kept
    assert f"{mebibytes} MB" in told
