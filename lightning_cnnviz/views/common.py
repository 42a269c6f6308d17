"""What several views show alike: the samples with their captions, and maps over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_cnnviz.arguments import flag, fraction, instance, number, one_of, text
from lightning_cnnviz.model.evidence import Evidence
from lightning_cnnviz.output.artifacts import Picture
from lightning_cnnviz.render import Card, ColorBar, Kind, Laying, Maps, Row, Scale, Sheet, Tiles
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


def picture_of(tag: str, figure: Sheet | Tiles | Card) -> Picture:
    """A figure under its tag, with a remark if some of its maps have nothing to show."""
    return Picture(tag, figure, () if figure.summary is None else (f"{tag}: {figure.summary}",))


def heat_map(
    values: NDArray[np.float32],
    heading: str,
    *,
    laying: Laying,
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
    alpha: float = 0.6,
    smooth: bool = True,
    grey: bool = False,
    strongest: float | None = None,
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
        alpha: weight of the map over the sample where it is highest, from 0 to 1.
        smooth: whether maps are enlarged bilinearly, or pixel by pixel.
        grey: whether the sample below the map loses its colors.
        strongest: the largest magnitude of the maps of all epochs; bars below the maps say how each stands beside it.
            None: no bars.
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
    if strongest is not None:
        number("strongest", strongest, least=0)
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
        strongest=strongest,
    )
    bar = sign_key(drawn) if kind == "signed" else None
    return picture_of(tag, Sheet(rows(evidence), (drawn,), title, drawn.scale_note() + note, bar))


def sign_key(maps: Maps) -> ColorBar:
    """What the colors of signed maps say: numbers where one scale holds for all, else only the sign."""
    highest = maps.measured.limits[..., 1]
    limit = float(np.nanmax(highest)) if np.isfinite(highest).any() else 1.0
    words = ("against", "for") if maps.scale == "each" else None
    return ColorBar(
        maps.colormap, -limit, limit, label="against · for the class" if words is None else "the class", words=words
    )


class Strongest:
    """The largest magnitude of each tag's maps over a run, so that epochs can be compared: it never shrinks."""

    def __init__(self) -> None:
        self._largest: dict[str, float] = {}

    def widen(self, tag: str, values: Tensor) -> float:
        """The largest magnitude so far, that of the finite ones among these values included."""
        self._largest[tag] = max(self._largest.get(tag, 0.0), _largest(values))
        return self._largest[tag]

    def of(self, tag: str) -> float:
        """The largest magnitude so far."""
        return self._largest[tag]

    def state_dict(self) -> dict[str, float]:
        """By tag."""
        return dict(self._largest)

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Takes up what :meth:`state_dict` gave."""
        self._largest = dict(state)


def _largest(values: Tensor) -> float:
    if not values.numel():
        return 0.0
    low, high = torch.aminmax(values)
    if not (low.isfinite() and high.isfinite()):  # which takes ten times as long
        return float(values.abs().where(values.isfinite(), 0).max())
    return max(-float(low), float(high))


def with_remark(picture: Picture, remark: str | None) -> Picture:
    """The picture with one more thing to tell the reader, if there is one."""
    return picture if remark is None else replace(picture, remarks=(*picture.remarks, f"About {picture.tag}: {remark}"))
