"""What several views show alike: the samples with their captions, and maps over them."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_cnnviz.arguments import flag, fraction, instance, one_of, text
from lightning_cnnviz.model.evidence import Evidence
from lightning_cnnviz.output.artifacts import Picture
from lightning_cnnviz.render import Kind, Laying, Maps, Row, Scale, Sheet, Tiles
from lightning_cnnviz.views.base import color_map
from lightning_cnnviz.views.captions import captions


def to_numpy(tensor: Tensor) -> NDArray[np.float32]:
    """A copy of the values on the CPU, which nobody else will change; float32, for bfloat16 is unknown to NumPy."""
    array: NDArray[np.float32] = tensor.detach().to("cpu", torch.float32, copy=True).numpy()
    return array


def rows(evidence: Evidence) -> tuple[Row, ...]:
    """The samples to be drawn with their captions, in their own resolution where they have one."""
    samples = evidence.samples
    pictures, boxes = samples.display_pictures(), samples.parts_shown()
    return tuple(Row(pictures[index], caption, index, boxes[index]) for index, caption in enumerate(captions(evidence)))


def picture_of(tag: str, figure: Sheet | Tiles) -> Picture:
    """A figure under its tag, with a remark if some of its maps have nothing to show."""
    return Picture(tag, figure, () if figure.summary is None else (f"{tag}: {figure.summary}",))


def heat_map(
    values: NDArray[np.float32],
    heading: str,
    *,
    laying: Laying = "both",
    labels: tuple[tuple[str, ...], ...] = (),
) -> Maps:
    """Class activation maps (N, 1, h, w) over their samples as all views draw them."""
    return Maps(values, (heading,), kind="class_activation", colormap="jet", laying=laying, smooth=True, labels=labels)


def overlay_sheet(
    evidence: Evidence,
    tag: str,
    maps: Tensor,
    *,
    title: str,
    heading: str = "heat map",
    kind: Kind = "class_activation",
    colormap: str = "jet",
    scale: Scale = "each",
    alpha: float = 0.5,
    smooth: bool = True,
    grey: bool = False,
    note: str = "",
) -> Picture:
    """One row per sample with its map, and the same over the sample.

    Args:
        evidence: whose samples are drawn.
        tag: where the picture appears.
        maps: (N, h, w), any numbers.
        title: what is shown, and of which layer.
        heading: above the maps.
        kind: what the numbers are; ``"signed"`` ones are colored about zero.
        colormap: any OpenCV or matplotlib name.
        scale: ``"each"`` map by itself or all on one ``"shared"`` scale.
        alpha: weight of the map over the sample, from 0 to 1.
        smooth: whether maps are enlarged bilinearly, or pixel by pixel.
        grey: whether the sample below the map loses its colors.
        note: how to read it, after what is said of the scale.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: the maps are not one per sample, or an argument is out of its range.
    """
    instance("evidence", evidence, Evidence, "what a look at the model gave")
    instance("maps", maps, Tensor, "a tensor (N, h, w)")
    if maps.ndim != 3 or len(maps) < evidence.shown or maps.numel() == 0 or maps.is_complex():
        raise ValueError(f"maps must be (N, h, w), one for each sample, got {maps.dtype} {tuple(maps.shape)}")
    for name, words in (("tag", tag), ("title", title), ("heading", heading), ("note", note)):
        text(name, words)
    one_of("kind", kind, get_args(Kind))
    one_of("scale", scale, get_args(Scale))
    for name, choice in (("smooth", smooth), ("grey", grey)):
        flag(name, choice)
    drawn = Maps(
        to_numpy(maps[: evidence.shown, None]),
        (heading,),
        kind=kind,
        colormap=color_map(colormap),
        scale=scale,
        laying="both",
        alpha=fraction("alpha", alpha),
        smooth=smooth,
        grey=grey,
    )
    return picture_of(tag, Sheet(rows(evidence), (drawn,), title, drawn.scale_note() + note))


def with_remark(picture: Picture, remark: str | None) -> Picture:
    """The picture with one more thing to tell the reader, if there is one."""
    return picture if remark is None else replace(picture, remarks=(*picture.remarks, f"About {picture.tag}: {remark}"))
