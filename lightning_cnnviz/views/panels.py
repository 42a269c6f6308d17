"""Signed images of gradients as they are shown since guided backpropagation: all, positive, negative, and in grey."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from lightning_cnnviz.methods.gradients import reduce_channels, without_peaks
from lightning_cnnviz.model.evidence import Evidence
from lightning_cnnviz.output.artifacts import RGB, Picture
from lightning_cnnviz.render import DrawnMaps, Scale, draw_maps
from lightning_cnnviz.views.common import map_sheet, scale_note, to_numpy


def panel_sheet(evidence: Evidence, tag: str, values: Tensor, *, title: str, scale: Scale = "each") -> Picture:
    """One row per sample: the signed values with zero as mid grey, their positive and negative parts, their magnitude.

    Values of three channels (N, 3, H, W) keep their colors; of any other number of channels the sum is drawn.
    """
    colors = without_peaks(values if values.shape[1] == 3 else values.sum(dim=1, keepdim=True))
    grey = without_peaks(reduce_channels(values, "grey"))
    drawn, signed = _in_color(colors, scale, symmetric=True)
    columns = [
        ("all", signed),
        ("positive", _in_color(colors.relu(), scale)[1]),
        ("negative", _in_color((-colors).relu(), scale)[1]),
        ("grey", list(draw_maps(to_numpy(grey), colormap="gray", scale=scale).cells)),
    ]
    footer = f"all: zero is mid grey · {scale_note(drawn, scale)}, the strongest 1% cut"
    return map_sheet(evidence, tag, columns, title=title, footer=footer, drawn=drawn, smooth=False)


def _in_color(values: Tensor, scale: Scale, *, symmetric: bool = False) -> tuple[DrawnMaps, list[RGB]]:
    """Channels as red, green and blue, all channels of an image on one scale."""
    count, channels, height, width = values.shape
    stacked = to_numpy(values).reshape(count, channels * height, width)
    drawn = draw_maps(stacked, colormap="gray", scale=scale, symmetric=symmetric)
    planes = drawn.cells[..., 0].reshape(count, channels, height, width).transpose(0, 2, 3, 1)
    return drawn, list(np.ascontiguousarray(np.broadcast_to(planes, (count, height, width, 3))))
