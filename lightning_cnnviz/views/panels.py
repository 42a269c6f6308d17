"""Signed images of gradients as they are shown since guided backpropagation: all, positive, negative, and in grey."""

from __future__ import annotations

from torch import Tensor

from lightning_cnnviz.methods.gradients import reduce_channels, without_peaks
from lightning_cnnviz.model.evidence import Evidence
from lightning_cnnviz.output.artifacts import Picture
from lightning_cnnviz.render import Maps, Scale, Sheet, SignedImages
from lightning_cnnviz.views.common import picture_of, rows, to_numpy


def panel_sheet(evidence: Evidence, tag: str, values: Tensor, *, title: str, scale: Scale = "each") -> Picture:
    """One row per sample: the signed values with zero as mid grey, their positive and negative parts, their magnitude.

    Values of three channels (N, 3, H, W) keep their colors; of any other number of channels the sum is drawn.
    """
    colors = to_numpy(without_peaks(values if values.shape[1] == 3 else values.sum(dim=1, keepdim=True)))
    grey = to_numpy(without_peaks(reduce_channels(values, "grey"))[:, None])
    both = SignedImages(colors, "all", scale=scale)
    columns = (
        both,
        SignedImages(colors, "positive", "positive", scale),
        SignedImages(colors, "negative", "negative", scale),
        Maps(grey, ("grey",), kind="intensity", colormap="gray", scale=scale),
    )
    footer = f"all: zero is mid grey · {both.scale_note()}, the strongest 1% cut"
    return picture_of(tag, Sheet(rows(evidence), columns, title, footer))
