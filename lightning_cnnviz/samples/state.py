"""Samples as a checkpoint keeps them: tensors and primitives, and no more of them than is bearable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from lightning_cnnviz.samples.batches import Form
from lightning_cnnviz.samples.origin import Origin
from lightning_cnnviz.samples.truth import Truth


def packed(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `FixedSamples` as tensors and primitives."""
    originals, truth, origin = arguments["originals"], arguments["truth"], arguments["origin"]
    form = origin.form
    return {
        **arguments,
        "originals": originals and [torch.from_numpy(picture) for picture in originals],
        "truth": truth and truth.state_dict(),
        "origin": {
            "dtype": None if form.dtype is None else str(form.dtype).removeprefix("torch."),
            "channels_last": form.channels_last,
            "views": form.views,
            "notes": list(origin.notes),
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
        form = Form(dtype, origin["channels_last"], origin["views"])
        arguments["origin"] = Origin(form, notes=tuple(origin["notes"]))
    return arguments
