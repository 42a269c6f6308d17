"""Samples as a checkpoint keeps them: tensors and primitives, and no more of them than is bearable."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lightning_cnnviz.samples.forms import Form
from lightning_cnnviz.samples.origin import Origin
from lightning_cnnviz.samples.truth import Truth

if TYPE_CHECKING:
    from lightning_cnnviz.samples.shown import ShownSamples

LARGEST = 16 * 2**20
"""So many bytes of samples are bearable in every checkpoint."""


def fingerprint(samples: ShownSamples) -> str:
    """By what samples are known again: images, labels and regions, not how they are shown."""
    digest = hashlib.blake2b(digest_size=16)
    for tensor in (samples.images, samples.labels, samples.regions):
        if tensor is not None:
            digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
            digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def same_samples(first: ShownSamples, second: ShownSamples) -> bool:
    """Whether two sets are alike in all that a look sees of them: images, what is known of them, and their names."""
    return first.images.shape == second.images.shape and _same(first.state_dict(), second.state_dict())


def _same(first: object, second: object) -> bool:
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return first.dtype == second.dtype and torch.equal(first, second)
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(_same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(map(_same, first, second))
    return type(first) is type(second) and first == second


def bounded(samples: ShownSamples) -> tuple[dict[str, Any] | None, str | None]:
    """The state of samples, not much larger than `LARGEST`, and what the user is to be told of it.

    Images that are too large are kept as bytes; those that are too large even so are not kept at all.
    """
    state = samples.state_dict()
    size = size_of(state)
    if size <= LARGEST and samples.origin.form.dtype != torch.uint8:
        return state, None
    packed_images = _as_bytes(samples)
    smaller = {**state, "images": packed_images}
    if size <= LARGEST:
        return smaller, None
    taken = f"the samples would take {size / 2**20:.0f} MB in every checkpoint"
    if size_of(smaller) <= LARGEST:
        return smaller, f"{taken}: they are kept as bytes, rounded to 1/255 of their range, where a run is resumed"
    return None, f"{taken} and are not kept there: a run that is resumed takes them from the batches again"


def unbounded(state: Mapping[str, Any]) -> dict[str, Any]:
    """The state of samples, with floating point images, that :func:`bounded` gave."""
    images = state["images"]
    if isinstance(images, Mapping):
        values = images["codes"].float() * images["step"] + images["low"]
        images = values.to(getattr(torch, images["dtype"]))
    return {**state, "images": images}


def _as_bytes(samples: ShownSamples) -> dict[str, Any]:
    images = samples.images.float()
    if samples.mean is not None and samples.std is not None:
        # What was read from a picture of bytes comes back exactly.
        mean, std = (torch.tensor(numbers).view(1, -1, 1, 1) for numbers in (samples.mean, samples.std))
        codes = (samples.denormalized().float() * 255).round()
        if bool(((codes >= 0) & (codes <= 255)).all()):
            return _coded(codes, 1 / (255 * std), -mean / std, samples.images.dtype)
    finite = images.nan_to_num(0, 0, 0)
    low, high = finite.amin(dim=(2, 3), keepdim=True), finite.amax(dim=(2, 3), keepdim=True)
    step = ((high - low) / 255).clamp_min(torch.finfo(torch.float32).tiny)
    return _coded(((finite - low) / step).round().clamp(0, 255), step, low, samples.images.dtype)


def _coded(codes: Tensor, step: Tensor, low: Tensor, dtype: torch.dtype) -> dict[str, Any]:
    return {"codes": codes.to(torch.uint8), "step": step, "low": low, "dtype": str(dtype).removeprefix("torch.")}


def size_of(value: object) -> int:
    """How many bytes the tensors in it take."""
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, Mapping):
        return sum(map(size_of, value.values()))
    return sum(map(size_of, value)) if isinstance(value, list | tuple) else 0


def packed(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `FixedSamples` as tensors and primitives."""
    originals, truth, origin = arguments["originals"], arguments["truth"], arguments["origin"]
    form = origin.form
    return {
        **arguments,
        "originals": originals and [torch.tensor(picture) for picture in originals],
        "truth": truth and truth.state_dict(),
        "origin": {
            "dtype": None if form.dtype is None else str(form.dtype).removeprefix("torch."),
            "channels_last": form.channels_last,
            "views": form.views,
            "unlabelled": form.unlabelled,
            "notes": list(origin.notes),
            "names_found": origin.names_found,
        },
    }


def unpacked(state: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that :func:`packed` packed, also by an older version that knew fewer of them."""
    originals, truth, origin = state["originals"], state.get("truth"), state.get("origin")
    arguments = {**state, "originals": originals and [picture.cpu().numpy() for picture in originals]}
    if truth is not None:
        arguments["truth"] = Truth.from_state_dict(truth)
    if origin is not None:
        dtype = None if origin["dtype"] is None else getattr(torch, origin["dtype"])
        form = Form(dtype, origin["channels_last"], origin["views"], origin.get("unlabelled", False))
        arguments["origin"] = Origin(form, notes=tuple(origin["notes"]), names_found=origin["names_found"])
    return arguments
